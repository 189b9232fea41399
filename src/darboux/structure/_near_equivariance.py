"""Near equivariance: a map that commutes with the actions of a group up to a known error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from darboux.structure._arguments import Within, checked
from darboux.structure._claim import Structure
from darboux.structure._equivariance import Law, Symmetry
from darboux.structure._metric import Bound

Band = Annotated[
    float, Within("a number above 0, in radians per pixel, or ∞", above=0, infinite=True)
]


@checked
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
        >>> from darboux.structure import NearlyEquivariant
        >>> near = NearlyEquivariant(dx.symmetry.SO2(), band=1.0, error=0.01, gain=2.0)
        >>> near.after(near).error
        0.04
    """

    group: Symmetry
    source: Law | None = None
    target: Law | None = None
    band: Band = 1.0
    error: Bound = 0.0
    gain: Bound = 1.0

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


@checked
@dataclass(frozen=True)
class NearlyScaleEquivariant(Structure):
    """Nearly scale-equivariant: ‖(φ(D f) - S D φ(f))_k, k >= 1‖ <= ε ‖D f‖.

    φ is linear and commutes with translations; D f = f(·/s), s the ratio of neighbouring
    scales, and S moves every channel (field, k) to (field, k + 1). f is any square-integrable
    function of the plane with frequencies of at most ω radians per pixel. Scales are a window
    of infinitely many: the first one of the values is not compared, and where f has scales,
    D moves them, too, and the last one of f is zero.

    Because φ(f) does not vanish at the last scale, nothing follows about compositions.

    Source: slides, symmetry; section 5.3.3.

    Args:
        factor: s > 1.
        scales: how many.
        lifting: whether f has no scales.
        band: ω > 0.
        error: ε >= 0.

    Raises:
        ValueError: if a number is out of range or NaN.

    Example:
        >>> NearlyScaleEquivariant(2.0, 3, lifting=True, band=1.0, error=0.1).describe()
        'nearly scale-equivariant: dilated by 2, 3 scales, error <= 0.1 ‖f‖, frequencies <= 1'
    """

    factor: Annotated[float, Within("a number above 1", above=1)]
    scales: Annotated[int, Within("an integer of 2 or more", least=2, most=2**31 - 1)]
    lifting: bool = field(kw_only=True)
    band: Band
    error: Bound

    def describe(self) -> str:
        """Return the promise in a formula."""
        return (
            f"nearly scale-equivariant: dilated by {self.factor:.4g}, {self.scales} scales, "
            f"error <= {self.error:.3g} ‖f‖, frequencies <= {self.band:.4g}"
        )

    def after(self, first: NearlyScaleEquivariant) -> None:
        """Conclude nothing: what the first map puts into the last scale leaves the window."""
        del first

    def at_least(self, other: Structure) -> bool:
        """A smaller error, or a larger band, implies the rest."""
        return (
            isinstance(other, NearlyScaleEquivariant)
            and (self.factor, self.scales, self.lifting)
            == (other.factor, other.scales, other.lifting)
            and self.band >= other.band
            and self.error <= other.error
        )
