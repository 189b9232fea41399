"""The mean-value discrete gradient."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from darboux.integrators.discrete_gradient import DiscreteGradient
from darboux.integrators.increment import Increment, along
from darboux.integrators.integrator import Time
from darboux.integrators.properties import GradientForm


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
        nodes: gradients for each iteration of the solver.

    Raises:
        ValueError: if there is no node.

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

    def __init__(self, *, nodes: int = 4) -> None:
        super().__init__()
        if nodes < 1:
            msg = (
                f"MeanValueGradient: expected nodes >= 1; got {nodes}. Use 4, or more for stiff H."
            )
            raise ValueError(msg)
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
