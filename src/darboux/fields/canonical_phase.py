"""The abstract field of a Hamiltonian, f = J∇H."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from darboux.fields.field import Time
from darboux.fields.phase_space import PhaseSpaceField, halves, join


class CanonicalPhaseField(PhaseSpaceField, ABC):
    """A Hamiltonian field f = J∇H, ż = ∂H/∂p and ṗ = -∂H/∂z, J = [[0, I], [-I, 0]].

    J is skew, so ⟨∇H, f⟩ = 0: an autonomous H is constant along solutions. Subclasses see
    to it that drift = ∂energy/∂p and kick = -∂energy/∂z.

    Shapes: as for `PhaseSpaceField`; energies are (batch,).

    Source: section 2.1.2.
    """

    canonical = True

    @property
    def conservative(self) -> bool:
        """Whether H is kept: J is skew, so it is unless H depends on t."""
        return self.autonomous

    @property
    def passive(self) -> bool:
        """Whether H does not rise."""
        return self.autonomous

    @abstractmethod
    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return H(t, z, p), (batch,), summed over space."""

    def gradient(self, t: Time, x: Tensor) -> Tensor:
        """Return ∇H = (∂H/∂z, ∂H/∂p), of the shape of x."""
        drift, kick = self.slopes(t, *halves(x))
        return join(-kick, drift)

    def steer(self, t: Time, x: Tensor, g: Tensor) -> Tensor:
        """Return J g."""
        del t, x  # J is constant
        by_position, by_momentum = halves(g)
        return join(by_momentum, -by_position)

    def supply(self, t: Time, x: Tensor) -> None:
        """Return that nothing flows in."""
        del t, x
