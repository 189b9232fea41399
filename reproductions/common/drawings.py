"""Labelled images: simple drawings, for runs without a data set."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CLASSES = 8


class LabelledImages(NamedTuple):
    """Images and their classes.

    Args:
        images: (count, channels, H, W), in [0, 1] where no noise is on them.
        classes: (count,), int64.
    """

    images: Tensor
    classes: Tensor


def drawings(
    count: int, *, side: int, noise: float, generator: torch.Generator | None = None
) -> LabelledImages:
    """Draw discs, rings, squares, frames, bars, pluses and crosses of any place and size.

    Args:
        count: images.
        side: height and width.
        noise: standard deviation of white noise.
        generator: of the random numbers.

    Example:
        >>> found = drawings(5, side=16, noise=0.1)
        >>> found.images.shape, found.classes.shape
        (torch.Size([5, 1, 16, 16]), torch.Size([5]))
    """
    classes = torch.randint(CLASSES, (count,), generator=generator)
    radius = side * (0.2 + 0.15 * torch.rand(count, 1, 1, generator=generator))
    centre = radius + (side - 1 - 2 * radius) * torch.rand(2, count, 1, 1, generator=generator)
    axis = torch.arange(side)
    y, x = (axis[:, None] - centre[0]) / radius, (axis[None, :] - centre[1]) / radius
    shown = _shapes(x, y)[classes, torch.arange(count)].float()
    images = shown + noise * torch.randn(shown.shape, generator=generator)
    return LabelledImages(images[:, None], classes)


def _shapes(x: Tensor, y: Tensor) -> Tensor:
    """Return where each of the classes draws, (classes, count, H, W)."""
    round_, x, y = torch.hypot(x, y), x.abs(), y.abs()
    larger, smaller = torch.maximum(x, y), torch.minimum(x, y)
    found = [
        round_ < 1,
        (round_ < 1) & (round_ > 0.6),
        larger < 0.9,
        (larger < 0.9) & (larger > 0.5),
        (y < 0.25) & (x < 1),
        (x < 0.25) & (y < 1),
        (smaller < 0.2) & (larger < 1),
        ((x - y).abs() < 0.3) & (larger < 0.9),
    ]
    return torch.stack(found)
