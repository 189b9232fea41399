"""The discrete gradients by name: at the midpoint, in the mean, along a staircase."""

from __future__ import annotations

import math
from typing import Annotated, final

import numpy as np
import torch
from torch import Tensor

from darboux.integrators._discrete_gradient import DiscreteGradient, Increment, along
from darboux.integrators._integrator import GradientForm, Time
from darboux.structure._arguments import Within, checked


@final
class GonzalezGradient(DiscreteGradient):
    """The energy-exact method with the discrete gradient of Gonzalez, of order 2, symmetric.

    ∇̄H(z, z') = ∇H(m) + (H(z') - H(z) - ⟨∇H(m), z' - z⟩)/‖z' - z‖² (z' - z),  m = (z + z')/2.

    The implicit midpoint rule with a correction of second order, which is the whole of it for
    quadratic energies. One gradient and two energies for each iteration of the solver.

    Shapes: z is (batch, features, *space).

    Source: section 2.2.2; Gonzalez 1996.

    Example:
        >>> import torch, darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4)).double()
        >>> z = torch.ones(1, 4, dtype=torch.float64)
        >>> after = GonzalezGradient().step(field, 0.0, 0.5, z)
        >>> torch.testing.assert_close(energy(after), energy(z))
    """

    order = 2
    symmetric = True
    equivariant = True

    def increments(
        self, field: GradientForm, t: Time, z: Tensor, after: Tensor
    ) -> tuple[Increment, ...]:
        """Return the increment with the gradient at the midpoint."""
        middle = field.gradient(t, z + 0.5 * (after - z))
        return (along(field, t, z, after, middle),)


# NumPy computes the nodes to rounding up to there, and each is one more gradient
_Nodes = Annotated[int, Within("an integer from 1 to 100", least=1, most=100)]


@final
class MeanValueGradient(DiscreteGradient):
    """The energy-exact method with the mean of the gradient, of order 2, symmetric.

    ∇̄H(z, z') = ∫₀¹ ∇H(z + s (z' - z)) ds: the averaged vector field method, by Gauss
    quadrature. The mean is exact for polynomial energies of degree <= 2 nodes; for others
    the quadrature misses H(z') - H(z) by very little, and that remainder is added along
    z' - z, as Gonzalez does, so that the balance is exact for every energy.

    Shapes: z is (batch, features, *space).

    Source: section 2.2.2; Harten, Lax and van Leer 1983; Quispel and McLaren 2008.

    Args:
        nodes: gradients for each iteration of the solver, 1 to 100.

    Raises:
        TypeError: if the number is no integer.
        ValueError: if it is less than 1, or more than 100.

    Example:
        >>> import torch, darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4)).double()
        >>> z = torch.ones(1, 4, dtype=torch.float64)
        >>> after = MeanValueGradient(nodes=2).step(field, 0.0, 0.5, z)
        >>> torch.testing.assert_close(energy(after), energy(z))
    """

    order = 2
    equivariant = True
    symmetric = True

    @checked
    def __init__(self, *, nodes: _Nodes = 4) -> None:
        super().__init__()
        self.nodes = nodes
        rule = np.polynomial.legendre.leggauss(nodes)  # on [-1, 1]
        self._rule = tuple((0.5 * float(x) + 0.5, 0.5 * float(w)) for x, w in np.transpose(rule))

    def increments(
        self, field: GradientForm, t: Time, z: Tensor, after: Tensor
    ) -> tuple[Increment, ...]:
        """Return the increment with the mean of the gradient."""
        delta = after - z
        points = torch.cat([z + node * delta for node, _ in self._rule])
        slopes = field.gradient(t, points).chunk(self.nodes)
        weighted = [weight * slope for slope, (_, weight) in zip(slopes, self._rule, strict=True)]
        return (along(field, t, z, after, torch.stack(weighted).sum(dim=0)),)

    def __repr__(self) -> str:
        """Return the constructor call."""
        return f"MeanValueGradient(nodes={self.nodes})"


_NODES = (0.5 - math.sqrt(1 / 12), 0.5 + math.sqrt(1 / 12))


@final
class ItohAbeGradient(DiscreteGradient):
    """The energy-exact method with the discrete gradient of Itoh and Abe, of order 1.

    ∇̄H_i = (H(w_i) - H(w_{i-1}))/(z'_i - z_i) along the staircase w_0 = z, ..., w_n = z' that
    moves one coordinate after the other, all entries of a sample in their order. Difference
    quotients, so that the balance holds for energies with kinks, too. Where they are rounding,
    because a coordinate hardly moves, they are replaced by what they are the mean of, the
    derivative along the stair, by Gauss quadrature with two nodes.

    With ``symmetrized=True`` it is the mean of the staircases from z to z' and back: order 2,
    symmetric, and twice the work. Each iteration of the solver takes n + 1 energies and 2n
    gradients, n the entries of a sample: a method for small systems.

    Shapes: z is (batch, features, *space).

    Source: section 2.2.2; Itoh and Abe 1988.

    Args:
        symmetrized: whether to take the mean with the reversed staircase.

    Example:
        >>> import torch, darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4)).double()
        >>> z = torch.ones(1, 4, dtype=torch.float64)
        >>> after = ItohAbeGradient().step(field, 0.0, 0.5, z)
        >>> torch.testing.assert_close(energy(after), energy(z))
    """

    @checked
    def __init__(self, *, symmetrized: bool = False) -> None:
        super().__init__()
        self.symmetrized = symmetrized
        self.order = 2 if symmetrized else 1
        self.symmetric = symmetrized

    def increments(
        self, field: GradientForm, t: Time, z: Tensor, after: Tensor
    ) -> tuple[Increment, ...]:
        """Return the increments of all coordinates, one after the other."""
        there = _staircase(field, t, z, after)
        return (there, _staircase(field, t, after, z)) if self.symmetrized else (there,)

    def __repr__(self) -> str:
        """Return the constructor call."""
        return f"ItohAbeGradient({'symmetrized=True' if self.symmetrized else ''})"


def _staircase(field: GradientForm, t: Time, z: Tensor, after: Tensor) -> Increment:
    """Return the increments of the energy along the staircase from z to z'."""
    start, end = z.flatten(1).unsqueeze(1), after.flatten(1).unsqueeze(1)
    n = start.shape[2]
    index = torch.arange(n + 1, device=z.device)
    corners = torch.where(index.unsqueeze(1) > index[:n], end, start)  # (batch, n + 1, n)
    heights = field.energy(t, corners.reshape(-1, *z.shape[1:])).reshape(-1, n + 1)
    slope, delta = _mean_slopes(field, t, corners, z), (end - start).squeeze(1)
    missing = heights.diff(dim=1) - slope * delta
    reach = (slope * end.squeeze(1)).detach().abs()
    scale = heights[:, 1:].abs() + heights[:, :-1].abs() + reach
    terms = (slope, missing, delta, torch.ones_like(delta), scale)
    return Increment(*(term.reshape(z.shape) for term in terms))


def _mean_slopes(field: GradientForm, t: Time, corners: Tensor, like: Tensor) -> Tensor:
    """Return the derivative along each stair, its mean at the two Gauss points, (batch, n)."""
    low, high = corners[:, :-1], corners[:, 1:]
    points = torch.stack([torch.lerp(low, high, node) for node in _NODES])  # (2, batch, n, n)
    slopes = field.gradient(t, points.reshape(-1, *like.shape[1:])).reshape(points.shape)
    return slopes.diagonal(dim1=2, dim2=3).mean(dim=0)
