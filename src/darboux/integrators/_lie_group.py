"""Methods on manifolds, which move points by the exponentials of a Lie group."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, final

import torch
from torch import Tensor

from darboux.integrators._explicit_methods import EULER, IMPROVED_EULER, KUTTA3, KUTTA4
from darboux.integrators._integrator import Integrator, StepSize, Time, fitting, step_size
from darboux.manifolds import HomogeneousSpace
from darboux.solvers._transforms import without_autocast
from darboux.structure._arguments import checked, shown


class ManifoldField(Protocol):
    """A field ẋ = ξ(t, x)·x on a homogeneous space.

    One that knows ξ has ``generator(t, x)``; for others `HomogeneousSpace.generator` finds it.

    Source: section 6.2.1, equations (58) and (59).
    """

    manifold: HomogeneousSpace

    def __call__(self, t: Time, x: Tensor) -> Tensor:
        """Return the tangent vector at x."""


class Slope:
    """ξ(t, x) of a field: the field sees x in the precision of the features, and autocast."""

    # Exponentials are computed in float32 at least, whatever is around them.

    def __init__(self, field: ManifoldField, state: Tensor) -> None:
        self.manifold, self._field, self._dtype = field.manifold, field, state.dtype
        kind = state.device.type
        on = not state.is_meta and torch.is_autocast_enabled(kind)
        self._around = (kind, torch.get_autocast_dtype(kind)) if on else None

    def __call__(self, t: Time, x: Tensor) -> Tensor:
        """Return ξ(t, x)."""
        tangent = self.tangent(t, x)
        if tangent is not None:
            return self.manifold.generator(x, tangent)
        return self._called(self._field.generator, t, x).to(x.dtype)  # type: ignore[attr-defined]

    def tangent(self, t: Time, x: Tensor) -> Tensor | None:
        """Return the tangent vector at x, None for a field that has ξ instead."""
        if hasattr(self._field, "generator"):
            return None
        return fitting(self._called(self._field, t, x), x)

    def _called(self, function: Callable[[Time, Tensor], Tensor], t: Time, x: Tensor) -> Tensor:
        x = x.to(self._dtype)
        if self._around is None:
            return function(t, x)
        kind, dtype = self._around
        with torch.autocast(kind, dtype):
            return function(t, x)


class LieGroupMethod(Integrator):
    """A method that moves points of a homogeneous space by exponentials of its Lie algebra.

    All intermediate values are points of the manifold, whatever the field and the step. What
    rounding adds is taken away at the end of each step, so that it doesn't grow with their
    number.

    Source: section 6.2.1; Iserles, Munthe-Kaas, Nørsett and Zanna, Lie-group methods, 2000.
    """

    on_manifolds = True

    def require(self, field: Any) -> None:
        """Refuse a field that isn't on a homogeneous space."""
        manifold = getattr(field, "manifold", None)
        if isinstance(manifold, HomogeneousSpace):
            return
        name = getattr(field, "__name__", type(field).__name__)
        found = f"got {name}" + (f", on {shown(manifold)}" if manifold is not None else "")
        msg = (
            f"{self!r}: expected a field on a homogeneous space, which its attribute manifold "
            f"names; {found}. Use fields.TangentField(manifold, f), or Kutta4() for a field on "
            "all of space, or Projected(Kutta4(), manifold) for other manifolds."
        )
        raise TypeError(msg)

    def step(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return x(t + h) from x(t), (batch, ..., *shape)."""
        slope = Slope(field, state)
        x = state.float() if state.dtype in (torch.float16, torch.bfloat16) else state
        with without_autocast(state):
            moved = self._moved(slope, t, step_size(h, x), x)
            return field.manifold.polish(moved).to(state.dtype)

    @abstractmethod
    def _moved(self, slope: Slope, t: Time, h: StepSize, x: Tensor) -> Tensor:
        """Return the point after one step, exact but for rounding."""

    def __eq__(self, other: object) -> bool:
        """Return whether both are the same method."""
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        """Hash class and order."""
        return hash((type(self), self.order))

    def __repr__(self) -> str:
        """Return class and order."""
        return f"{type(self).__name__}(order={self.order})"


@final
class LieEuler(LieGroupMethod):
    """The Lie-Euler method of order 1: x' = exp(h ξ(t, x))·x, equation (59) of the paper.

    Shapes: x is (batch, ..., *shape) with the shape of a point of the field's manifold.

    Source: section 6.2.1.

    Example:
        >>> import torch, darboux as dx
        >>> spin = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        >>> field = dx.fields.GeneratorField(dx.manifolds.SO(3), lambda t, x: spin.expand_as(x))
        >>> flow = dx.Flow(field, dx.integrators.LieEuler(), horizon=torch.pi, steps=4)
        >>> flow(torch.eye(3)[None]).diagonal(dim1=1, dim2=2).round()
        tensor([[-1., -1.,  1.]])
    """

    order = 1

    def _moved(self, slope: Slope, t: Time, h: StepSize, x: Tensor) -> Tensor:
        tangent = slope.tangent(t, x)
        if tangent is None:
            return slope.manifold.move(h * slope(t, x), x)
        return slope.manifold.along(x, h * tangent)


@final
class MuntheKaas(LieGroupMethod):
    """A Runge-Kutta-Munthe-Kaas method of order 1 to 4: a Runge-Kutta method in the Lie algebra.

    x = exp(u)·x_0 turns ẋ = ξ(t, x)·x into u̇ = dexp⁻¹_u ξ, with the series
    dexp⁻¹_u ξ = ξ - [u, ξ]/2 + [u, [u, ξ]]/12 - ..., which is cut where the order allows it.

    Shapes: x is (batch, ..., *shape) with the shape of a point of the field's manifold.

    Source: section 6.2.1; Munthe-Kaas 1999.

    Args:
        order: 1, 2, 3 or 4: Euler's, the improved Euler, and Kutta's methods.

    Raises:
        ValueError: if it is another one.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> field = dx.fields.TangentField(sphere, lambda t, x: x.roll(1, -1))
        >>> flow = dx.Flow(field, dx.integrators.MuntheKaas(4), steps=2)
        >>> flow(torch.tensor([[1.0, 0.0, 0.0]])).norm().round(decimals=5)
        tensor(1.)
    """

    @checked
    def __init__(self, order: Literal[1, 2, 3, 4] = 4) -> None:
        super().__init__()
        tableau = (EULER, IMPROVED_EULER, KUTTA3, KUTTA4)[order - 1]
        self.order = order
        self._rows = tuple(tuple(map(float, row)) for row in tableau.a)
        self._weights = tuple(map(float, tableau.b))
        self._nodes = tuple(map(float, tableau.c))

    def _moved(self, slope: Slope, t: Time, h: StepSize, x: Tensor) -> Tensor:
        manifold = slope.manifold
        slopes: list[Tensor] = []
        for node, row in zip(self._nodes, self._rows, strict=True):
            u = combined(row, slopes, h)
            stage = x if u is None else manifold.move(u, x)
            k = slope(t + node * h if node else t, stage)
            slopes.append(k if u is None else self._pulled(manifold, u, k))
        u = combined(self._weights, slopes, h)
        return x if u is None else manifold.move(u, x)

    def _pulled(self, manifold: HomogeneousSpace, u: Tensor, k: Tensor) -> Tensor:
        """Return dexp⁻¹_u ξ, as many terms as the order needs."""
        # u and ξ are parallel up to O(h²), so that the k-th commutator is O(h^(k+1))
        value, term = k, k
        for weight in _BERNOULLI[: max(self.order - 2, 0)]:
            term = manifold.bracket(u, term)
            value = value + weight * term
        return value


_BERNOULLI = (-1 / 2, 1 / 12)  # B_k / k!


def combined(row: Sequence[float], slopes: Sequence[Tensor], h: StepSize) -> Tensor | None:
    """Return h Σ_j c_j k_j, None for an empty sum."""
    terms = [(c * h) * k for c, k in zip(row, slopes, strict=False) if c]
    return sum(terms[1:], terms[0]) if terms else None
