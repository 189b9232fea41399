"""What is said of the drift of reconstructed activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
class DriftWarning(UserWarning):
    """The inverse of some layers magnifies rounding: the chain keeps checkpoints there."""


@final
class DriftError(RuntimeError):
    """The inverse of some layers magnifies rounding, and nothing was kept to fall back to."""


@final
@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What was measured: how far reconstructed activations and their gradients are off.

    Args:
        error: the relative error of gradients in the last calibration, on some samples, where
            links were undone; NaN if there was none.
        drift: the relative error of the features before each link in the last backward pass, NaN
            where they were not reconstructed.
        checkpoints: the links before which activations are kept, 0 being the input.
        links: how many there are.

    Example:
        >>> DriftReport(error=1e-7, drift=(0.0, 2e-7), checkpoints=(0,), links=2).worst
        2e-07
    """

    error: float
    drift: tuple[float, ...]
    checkpoints: tuple[int, ...]
    links: int

    @property
    def worst(self) -> float:
        """The largest drift that was met, whether it was used or not."""
        return max((value for value in self.drift if value == value), default=0.0)

    def __str__(self) -> str:
        """Return the report in a sentence."""
        kept = ", ".join(str(k) for k in self.checkpoints if k)
        what = f"checkpoints before links {kept}" if kept else "no checkpoints"
        return (
            f"{self.links} links, {what}: features drift by {self.worst:.2g} at most, gradients "
            f"by {self.error:.2g}"
        )
