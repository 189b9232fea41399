"""The divergence-free field of an antisymmetric potential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, final

import torch
from torch import Tensor

from darboux.fields._differentiate import slope
from darboux.fields._field import Time, VectorField
from darboux.solvers import solve
from darboux.solvers._transforms import refuse_export
from darboux.structure._arguments import Within, checked

Potential = Callable[[Tensor], Tensor]

_Features = Annotated[
    int,
    Within(
        "an integer from 2 to 1000, because a potential has M(M-1)/2 entries, and in one "
        "dimension only constants have no divergence",
        least=2,
        most=1000,
    ),
]


@final
@dataclass(frozen=True, eq=False)
class PlanarPart:
    """One pair of coordinates of a `DivergenceFreeField`: ż_i = ∂Ψ_ij/∂z_j, ż_j = -∂Ψ_ij/∂z_i.

    A Hamiltonian system in the plane of z_i and z_j, the others being constants. Its flow is
    the implicit midpoint rule, (z_i, z_j) moved by h times the field at the midpoint: not the
    exact flow but one of order 2 in h, whose determinant is exactly 1 because the rule is
    symplectic, and symmetric, so that a flow by -h undoes it. Both hold up to the tolerance
    of the solver.

    Source: section 2.4.2; Feng and Shang 1995.

    Example:
        >>> import torch, darboux as dx
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> field = dx.fields.DivergenceFreeField(net, features=3)
        >>> part, z = field.parts()[0], torch.randn(2, 3)
        >>> bool((part.flow(0.0, 0.5, z)[:, 2] == z[:, 2]).all())
        True
    """

    field: DivergenceFreeField
    pair: int
    i: int
    j: int

    def __call__(self, t: Time, z: Tensor) -> Tensor:
        """Return the summand of the field, of the shape of z."""
        del t  # autonomous
        return _placed(self._velocity(z), self._plane(z), z)

    def flow(self, t: Time, h: float | Tensor, z: Tensor) -> Tensor:
        """Return where z is after a duration h, to second order.

        Raises:
            ConvergenceError: if the midpoint equation is not solved, which smaller steps cure.
        """
        del t  # autonomous
        plane = self._plane(z)
        start = z.index_select(1, plane)

        def moved(end: Tensor) -> Tensor:
            middle = z + _placed(0.5 * (end - start), plane, z)
            return start + h * self._velocity(middle)

        end = solve(moved, start, context=f"DivergenceFreeField, coordinates {self.i} and {self.j}")
        return z + _placed(end - start, plane, z)

    def _plane(self, z: Tensor) -> Tensor:
        return torch.tensor([self.i, self.j], device=z.device)

    def _velocity(self, z: Tensor) -> Tensor:
        """Return (∂_j Ψ_ij, -∂_i Ψ_ij), (batch, 2)."""
        gradient = slope(lambda x: self.field.psi(x)[:, self.pair], z)
        return torch.stack([gradient[:, self.j], -gradient[:, self.i]], dim=1)


@final
class DivergenceFreeField(VectorField):
    """The general divergence-free field f_i(z) = Σ_j ∂Ψ_ij/∂z_j, Ψ(z) an antisymmetric matrix.

    div f = Σ_ij ∂_i ∂_j Ψ_ij = 0, because derivatives commute and Ψ_ij = -Ψ_ji: for every
    function Ψ, so for a network with any parameters. Each pair of coordinates is a Hamiltonian
    system in its plane, one of the `parts()`, stepped by a volume-preserving method; a
    splitting method calls the potential once for each pair and iteration, M(M-1)/2 times more
    often than a Runge-Kutta method. `ShearField` is cheaper, and its parts are exact.

    Shapes: z is (batch, features); Ψ is (batch, M(M-1)/2), M = features, its pairs i < j in
    the order (0, 1), (0, 2), ..., (1, 2), ...

    Source: section 2.4.2; Feng and Shang 1995.

    Args:
        potential: the entries Ψ_ij, i < j, from z; twice differentiable.
        features: M, 2 to 1000.

    Raises:
        ValueError: if there are fewer than 2 features, or more than 1000.

    Example:
        >>> import torch, darboux as dx
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> field = dx.fields.DivergenceFreeField(net, features=3)
        >>> jacobian = torch.func.jacrev(lambda z: field(0.0, z[None])[0])(torch.ones(3))
        >>> bool(jacobian.trace().abs() < 1e-6)
        True
    """

    autonomous = True
    divergence_free = True

    @checked
    def __init__(self, potential: Potential, *, features: _Features) -> None:
        super().__init__()
        self.potential = potential
        self.features = features
        self.pairs = tuple(combinations(range(features), 2))

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        del t  # autonomous
        self._check(z)
        slopes = self._slopes(z).to(z.dtype)  # autocast may have narrowed them
        first, second = torch.tensor(self.pairs, device=z.device).unbind(dim=1)
        pair = torch.arange(len(self.pairs), device=z.device)
        field = torch.zeros_like(z).index_add(1, first, slopes[:, second, pair])
        return field.index_add(1, second, -slopes[:, first, pair])

    def parts(self) -> tuple[PlanarPart, ...]:
        """Return the planar Hamiltonian systems, one for each pair of coordinates."""
        return tuple(PlanarPart(self, pair, i, j) for pair, (i, j) in enumerate(self.pairs))

    def psi(self, z: Tensor) -> Tensor:
        """Return the entries Ψ_ij, i < j, (batch, M(M-1)/2).

        Raises:
            ValueError: if z or the potential has another shape.
        """
        self._check(z)
        value = self.potential(z)
        expected = (z.shape[0], len(self.pairs))
        if value.shape != expected:
            msg = (
                f"DivergenceFreeField: expected potential(z) of shape (batch, M(M-1)/2) = "
                f"{expected}; got {tuple(value.shape)}. Return one entry for each pair i < j of "
                f"the {self.features} features."
            )
            raise ValueError(msg)
        return value

    def _slopes(self, z: Tensor) -> Tensor:
        """Return ∂Ψ/∂z_k of all pairs, (batch, M, pairs): M forward derivatives at once."""
        refuse_export("DivergenceFreeField")
        directions = torch.eye(self.features, dtype=z.dtype, device=z.device)

        def along(direction: Tensor) -> Tensor:
            pushed: Tensor = torch.func.jvp(self.psi, (z,), (direction.expand_as(z),))[1]
            return pushed

        slopes: Tensor = torch.func.vmap(along, out_dims=1)(directions)
        return slopes

    def _check(self, z: Tensor) -> None:
        if z.ndim != 2 or z.shape[1] != self.features:
            msg = (
                f"DivergenceFreeField: expected z of shape (batch, {self.features}); got "
                f"{tuple(z.shape)}. Use ShearField for images."
            )
            raise ValueError(msg)

    def why(self) -> str:
        """Return the theorem, in words."""
        return "Ψ antisymmetric: div f = Σ ∂_i ∂_j Ψ_ij = 0 (section 2.4.2)"


def _placed(values: Tensor, plane: Tensor, like: Tensor) -> Tensor:
    """Return zeros of the shape of z with values in the two columns of a plane."""
    return torch.zeros_like(like).index_add(1, plane, values.to(like.dtype))
