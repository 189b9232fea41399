"""Near equivariance under dilations."""

from __future__ import annotations

from dataclasses import dataclass, field

from darboux.structure.structure import Structure


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

    factor: float
    scales: int
    lifting: bool = field(kw_only=True)
    band: float
    error: float

    def __post_init__(self) -> None:
        if not (self.factor > 1 and self.scales >= 2):
            msg = (
                f"Expected a factor > 1 and at least 2 scales; got {self.factor} and {self.scales}."
            )
            raise ValueError(msg)
        if not (self.band > 0 and self.error >= 0):
            msg = f"Expected band > 0 and error >= 0; got {self.band} and {self.error}."
            raise ValueError(msg)

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
