"""Structures of phase space and of invertible maps."""

from __future__ import annotations

from dataclasses import dataclass

from darboux.structure._arguments import Positive, checked
from darboux.structure._claim import Structure


@dataclass(frozen=True)
class Invertible(Structure):
    """Invertible: the module's ``inverse`` returns x from φ(x), in exact arithmetic.

    Example:
        >>> Invertible().describe()
        'invertible: φ⁻¹(φ(x)) = x'
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "invertible: φ⁻¹(φ(x)) = x"

    def after(self, first: Invertible) -> Invertible:
        """Inverses compose in reverse order."""
        del first
        return self


@dataclass(frozen=True)
class VolumePreserving(Structure):
    """Volume-preserving: |det Dφ(x)| = 1 for all x. Source: section 2.4.2.

    Example:
        >>> VolumePreserving().after(VolumePreserving())
        VolumePreserving()
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "volume-preserving: |det Dφ| = 1"

    def after(self, first: VolumePreserving) -> VolumePreserving:
        """Determinants multiply."""
        del first
        return self


@checked
@dataclass(frozen=True)
class ConformalSymplectic(Structure):
    """Conformal symplectic: Dφᵀ J Dφ = c J, J the Darboux matrix.

    The phase space is (position z, momentum p), two halves of the channel axis.

    Source: sections 2.1.2 and 6.1.

    Args:
        factor: c > 0; c = 1 is symplectic.

    Raises:
        ValueError: if c is not positive.

    Example:
        >>> ConformalSymplectic(0.5).after(ConformalSymplectic(0.5))
        ConformalSymplectic(factor=0.25)
    """

    factor: Positive

    def describe(self) -> str:
        """Return the promise in a formula."""
        return f"conformal symplectic: DφᵀJDφ = {self.factor:.6g} J"

    def after(self, first: ConformalSymplectic) -> ConformalSymplectic:
        """Multiply the factors."""
        return ConformalSymplectic(self.factor * first.factor)


@dataclass(frozen=True)
class Symplectic(Structure):
    """Symplectic: Dφᵀ J Dφ = J, J the Darboux matrix. Source: section 2.1.2.

    Example:
        >>> Symplectic().at_least(VolumePreserving())
        True
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "symplectic: DφᵀJDφ = J"

    def after(self, first: Symplectic) -> Symplectic:
        """Symplectic maps form a group."""
        del first
        return self

    def implies(self) -> tuple[Structure, ...]:
        """A symplectic map preserves volume (Liouville)."""
        return (VolumePreserving(), ConformalSymplectic(1.0))


@dataclass(frozen=True)
class Reversible(Structure):
    """Reversible: ρφρφ = id with the momentum flip ρ(z, p) = (z, -p).

    Algebraic inversion is `Invertible`. Compositions of different reversible maps
    are reversible only if they are palindromic, so nothing is concluded.

    Source: section 2.2.2.

    Example:
        >>> Reversible().after(Reversible()) is None
        True
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "reversible: ρφρφ = id, ρ(z, p) = (z, -p)"

    def after(self, first: Reversible) -> None:
        """Conclude nothing: φ2∘φ1 is conjugate to φ1∘φ2 only."""
        del first
