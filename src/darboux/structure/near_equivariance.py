"""Near equivariance: a map that commutes with the actions of a group up to a known error."""

from __future__ import annotations

from dataclasses import dataclass

from darboux.structure.equivariance import Law, Symmetry
from darboux.structure.structure import Structure


@dataclass(frozen=True)
class NearlyEquivariant(Structure):
    """Nearly equivariant: ‖φ(π(g) f) - π'(g) φ(f)‖ <= ε ‖f‖ for every g of a group.

    φ is linear and commutes with translations; f is any square-integrable function of the plane
    (or of space) with frequencies of at most ω radians per pixel, and g moves its points by
    any rotation or reflection of the group, not only by those that map the grid to itself.
    ‖φ(f)‖ <= c ‖f‖ for the same functions.

    Source: section 5.3.3.

    Args:
        group: the group.
        source: how f transforms; None means that every channel is a scalar.
        target: how φ(f) transforms; None means that every channel is a scalar.
        band: ω > 0.
        error: ε >= 0.
        gain: c >= 0.

    Raises:
        ValueError: if a number is out of range or NaN.

    Example:
        >>> import darboux as dx
        >>> from darboux.structure.near_equivariance import NearlyEquivariant
        >>> near = NearlyEquivariant(dx.symmetry.SO2(), band=1.0, error=0.01, gain=2.0)
        >>> near.after(near).error
        0.04
    """

    group: Symmetry
    source: Law | None = None
    target: Law | None = None
    band: float = 1.0
    error: float = 0.0
    gain: float = 1.0

    def __post_init__(self) -> None:
        if not self.band > 0:
            msg = f"Expected a band > 0, in radians per pixel; got {self.band}. Use, say, π/2."
            raise ValueError(msg)
        if not (self.error >= 0 and self.gain >= 0):
            msg = f"Expected error >= 0 and gain >= 0; got {self.error} and {self.gain}."
            raise ValueError(msg)

    def describe(self) -> str:
        """Return the promise in a formula."""
        kinds = [law.describe() if law else "scalars" for law in (self.source, self.target)]
        same = "π(g)" if kinds[0] == kinds[1] else "π'(g)"
        return (
            f"nearly equivariant: ‖φ(π(g) f) - {same} φ(f)‖ <= {self.error:.3g} ‖f‖, "
            f"g in {self.group.describe()}, frequencies <= {self.band:.4g}; "
            f"{kinds[0]} -> {kinds[1]}"
        )

    def after(self, first: NearlyEquivariant) -> NearlyEquivariant | None:
        """Add the errors, each times the gain of the other map.

        ‖φ₂φ₁π - π''φ₂φ₁‖ <= ‖φ₂(φ₁π - π'φ₁)‖ + ‖(φ₂π' - π''φ₂)φ₁‖ <= c₂ε₁ + ε₂c₁: φ₁ adds no
        frequencies.
        """
        if self.group != first.group or self.source != first.target:
            return None
        return NearlyEquivariant(
            self.group,
            first.source,
            self.target,
            band=min(self.band, first.band),
            error=self.error * first.gain + self.gain * first.error,
            gain=self.gain * first.gain,
        )

    def at_least(self, other: Structure) -> bool:
        """A smaller error, or a larger band, implies the rest."""
        return (
            isinstance(other, NearlyEquivariant)
            and (self.group, self.source, self.target) == (other.group, other.source, other.target)
            and self.band >= other.band
            and self.error <= other.error
            and self.gain <= other.gain
        )
