"""Points on their way through the layers of a network, as a page shows them with a slider."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LAYERS, _POINTS = 60, 200  # as many as are shown
_TILT = (0.35, 0.8)  # how space is seen: (x + 0.35 z, y + 0.8 z)


@dataclass(frozen=True)
class Tracks:
    """Features of points, layer by layer; the longest are shown in part.

    Example:
        >>> Tracks.of(torch.ones(3, 2, 2), torch.tensor([0, 1])).layers
        [0, 1, 2]
    """

    layers: list[int]  # the numbers of the layers that are kept
    states: list[list[list[float]]]  # (layers, points, 2), as they are seen
    classes: list[int]  # of the points, 0 to 5
    along: str = "layer"  # what is counted

    @classmethod
    def of(cls, states: Tensor, classes: Tensor, *, along: str = "layer") -> Tracks:
        """Return the tracks of states (K+1, points, 2 or 3) and classes (points,)."""
        layers, points = (
            torch.linspace(0, size - 1, min(size, most)).round().long()
            for size, most in zip(states.shape[:2], (_LAYERS, _POINTS), strict=True)
        )
        kept = seen(states.detach()[layers][:, points]).double()
        digits = 3 - int(kept.abs().max().clamp(min=1e-9).log10().floor())
        rounded = kept.round(decimals=digits).tolist()
        return cls(layers.tolist(), rounded, classes[points].long().tolist(), along)


def seen(x: Tensor) -> Tensor:
    """Return points of the plane, (..., 2), or how points in space look."""
    if x.shape[-1] == 2:
        return x
    return x[..., :2] + x[..., 2:] * x.new_tensor(_TILT)
