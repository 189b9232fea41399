"""The midpoint discrete gradient."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.integrators.discrete_gradient import DiscreteGradient
from darboux.integrators.increment import Increment, along
from darboux.integrators.integrator import Time
from darboux.integrators.properties import GradientForm


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
