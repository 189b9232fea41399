"""Structures about an energy that the module itself supplies as ``energy(z)``."""

from __future__ import annotations

from dataclasses import dataclass

from darboux.structure._claim import Structure


@dataclass(frozen=True)
class EnergyPreserving(Structure):
    """Energy-preserving: H(φ(z)) = H(z), H the module's ``energy``. Source: section 2.2.2.

    Example:
        >>> EnergyPreserving().at_least(Dissipative())
        True
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "energy-preserving: H(φ(z)) = H(z)"

    def after(self, first: EnergyPreserving) -> None:
        """Conclude nothing: two maps may preserve different energies."""
        del first

    def implies(self) -> tuple[Structure, ...]:
        """A preserved energy does not increase."""
        return (Dissipative(),)


@dataclass(frozen=True)
class Dissipative(Structure):
    """Dissipative: V(φ(z)) <= V(z), V the module's ``energy``, a Lyapunov function.

    Source: section 2.1.

    Example:
        >>> Dissipative().describe()
        'dissipative: V(φ(z)) <= V(z)'
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "dissipative: V(φ(z)) <= V(z)"

    def after(self, first: Dissipative) -> None:
        """Conclude nothing: two maps may dissipate different energies."""
        del first
