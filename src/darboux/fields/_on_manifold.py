"""Fields on manifolds: tangent vectors, elements of a Lie algebra, Riemannian gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

from torch import Tensor

from darboux.activations import Activation
from darboux.fields._field import Time, VectorField
from darboux.fields._layers import require_conservative
from darboux.linear import LinearMap
from darboux.manifolds import HomogeneousSpace, Manifold
from darboux.structure._arguments import checked

Function = Callable[[Time, Tensor], Tensor]


@final
class TangentField(VectorField):
    """Any function as a field on a manifold: f(t, x) is u(t, x), projected onto T_xM.

    Shapes: x is (batch, ..., *shape), points of the manifold, and so is u(t, x).

    Source: section 2.3.

    Args:
        manifold: M.
        function: u, a function or a module of (t, x).

    Raises:
        TypeError: if M is no manifold or u no function of two arguments.
        ValueError: when called, if x or u(t, x) has another shape.

    Example:
        >>> import torch, darboux as dx
        >>> circle = dx.manifolds.Sphere(2)
        >>> field = dx.fields.TangentField(circle, lambda t, x: x + torch.tensor([0.0, 1.0]))
        >>> field(0.0, torch.tensor([[1.0, 0.0]]))
        tensor([[0., 1.]])
    """

    @checked
    def __init__(self, manifold: Manifold, function: Function) -> None:
        super().__init__()
        self.manifold: Manifold = manifold
        self.function = function

    def forward(self, t: Time, x: Tensor) -> Tensor:
        """Return the tangent vector at x."""
        _require("points", x, self.manifold, self.manifold.shape)
        u = self.function(t, x)
        _require("values of the function", u, self.manifold, self.manifold.shape)
        return self.manifold.project(x, u)


@final
class GeneratorField(VectorField):
    """The field ẋ = ξ(t, x)·x on a homogeneous space, ξ in the Lie algebra, equation (59).

    What the function returns is projected onto the algebra, for instance to the skew part of a
    matrix, so that points stay on the manifold whatever it is.

    Shapes: x is (batch, ..., *shape), points of the manifold; ξ(t, x) is (batch, ..., *algebra).

    Source: section 6.2.1.

    Args:
        manifold: M.
        function: ξ, a function or a module of (t, x).

    Raises:
        TypeError: if M is no homogeneous space or ξ no function of two arguments.
        ValueError: when called, if x or ξ(t, x) has another shape.

    Example:
        >>> import torch, darboux as dx
        >>> spin = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> field = dx.fields.GeneratorField(dx.manifolds.SO(2), lambda t, x: spin.expand_as(x))
        >>> field(0.0, torch.eye(2)[None])
        tensor([[[ 0., -1.],
                 [ 1.,  0.]]])
    """

    @checked
    def __init__(self, manifold: HomogeneousSpace, function: Function) -> None:
        super().__init__()
        self.manifold: HomogeneousSpace = manifold
        self.function = function

    def generator(self, t: Time, x: Tensor) -> Tensor:
        """Return ξ(t, x)."""
        _require("points", x, self.manifold, self.manifold.shape)
        xi = self.function(t, x)
        _require("elements of the algebra", xi, self.manifold, self.manifold.algebra)
        return self.manifold.project_algebra(xi)

    def forward(self, t: Time, x: Tensor) -> Tensor:
        """Return ξ(t, x)·x."""
        return self.manifold.infinitesimal(self.generator(t, x), x)


@final
class PotentialField(VectorField):
    """The gradient flow on a manifold that is analogous to (16): f(x) = -grad V(x).

    V(x) = Σ_i γ((A x + b)_i) with the antiderivative γ of the activation, A a linear map of the
    entries of x, and grad the gradient in the Riemannian metric. Along the exact flow V falls;
    for steps of a method no theorem says so, and nothing is claimed.

    Shapes: x is (batch, ..., *shape), points of the manifold.

    Source: section 2.4.3.

    Args:
        manifold: M.
        map: A, from all entries of a point, the product of ``manifold.shape``, to any number.
        activation: σ = γ'.

    Raises:
        TypeError: if σ has no potential.
        ValueError: if A takes another number of entries.

    Example:
        >>> import torch, darboux as dx
        >>> sphere, map = dx.manifolds.Sphere(3), dx.linear.Dense(3, 8)
        >>> field = dx.fields.PotentialField(sphere, map, dx.activations.Tanh())
        >>> flow = dx.Flow(field, dx.integrators.LieEuler(), steps=4)
        >>> flow.claims().find(dx.OnManifold).structure
        OnManifold(manifold=Sphere(n=3))
    """

    autonomous = True

    @checked
    def __init__(self, manifold: Manifold, map: LinearMap, activation: Activation) -> None:
        super().__init__()
        require_conservative("PotentialField", activation)
        entries = math.prod(manifold.shape)
        if map.dim != 0 or map.in_features != entries:
            msg = (
                f"PotentialField: expected a dense map of the {entries} entries of a point of "
                f"{manifold!r}; got one of {map.in_features} features in {map.dim} dimensions. "
                f"Use Dense({entries}, ...)."
            )
            raise ValueError(msg)
        self.manifold: Manifold = manifold
        self.map = map
        self.activation = activation
        self.bias = map.bias()

    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return V(x), (batch,), summed over all further axes."""
        del t  # autonomous
        features = self.map.affine(self._entries(x), self.bias)
        return self.activation.antiderivative(features).reshape(len(x), -1).sum(dim=1)

    def forward(self, t: Time, x: Tensor) -> Tensor:
        """Return -grad V(x)."""
        del t  # autonomous
        _require("points", x, self.manifold, self.manifold.shape)
        slopes = self.activation(self.map.affine(self._entries(x), self.bias))
        return -self.manifold.gradient(x, self.map.adjoint(slopes).reshape(x.shape))

    def _entries(self, x: Tensor) -> Tensor:
        return x.reshape(-1, self.map.in_features)


def _require(what: str, x: Tensor, manifold: Manifold, shape: tuple[int, ...]) -> None:
    """Refuse tensors of another shape, which may broadcast to a result."""
    if x.shape[max(x.ndim - len(shape), 0) :] != shape:
        msg = f"Field on {manifold}: expected {what} (*batch, {shape}); got {tuple(x.shape)}."
        raise ValueError(msg)
