"""Handwritten digits with their classes, and images turned by any angle."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from reproductions.common.classification import LabelledImages, labelled_digits

CLASSES = 9
_SIDE = 18  # a circle about the digit fits, so that nothing leaves the image
_ZOOM = 1.5  # pixels for each of the 8 x 8 of the source
_TRAINING = 1200
_ORDER = 5  # the seed of the split


def digits_without_nine() -> tuple[LabelledImages, LabelledImages]:
    """Return the digits 0, ..., 8 of 8 x 8 pixels, 1200 to train on and 417 to judge by.

    A 9 is left out because, turned by 180°, it is a 6: its class is no function of the image.
    """
    images, classes = labelled_digits()
    kept = (classes < CLASSES).nonzero()[:, 0]
    order = kept[torch.randperm(len(kept), generator=torch.Generator().manual_seed(_ORDER))]
    parts = order[:_TRAINING], order[_TRAINING:]
    training, test = (LabelledImages(images[rows], classes[rows]) for rows in parts)
    return training, test


def shown(digits: Tensor, angles: Tensor | float = 0.0) -> Tensor:
    """Return digits of 8 x 8 pixels on a grid of 18 x 18 with a margin, each turned.

    Turned and finer images are samples of one and the same interpolated function.
    """
    return turned(digits, angles, side=_SIDE, zoom=_ZOOM)


def turned(images: Tensor, angles: Tensor | float, *, side: int, zoom: float = 1.0) -> Tensor:
    """Return images turned about their centre by bicubic interpolation, zero outside.

    By +π/2 that is ``torch.rot90(x, 1, dims=(2, 3))``.

    Example:
        >>> x = torch.rand(1, 1, 5, 5)
        >>> torch.testing.assert_close(
        ...     turned(x, math.pi / 2, side=5), torch.rot90(x, 1, dims=(2, 3))
        ... )
    """
    angles = torch.as_tensor(angles, dtype=images.dtype).expand(len(images))
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    rows = torch.stack([cos, -sin, zero]), torch.stack([sin, cos, zero])
    matrices = torch.stack(rows).permute(2, 0, 1) * (side / (zoom * images.shape[-1]))
    size = [*images.shape[:2], side, side]
    grid = F.affine_grid(matrices, size, align_corners=False)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="zeros", align_corners=False)


def any_angles(count: int, generator: torch.Generator | None = None) -> Tensor:
    """Return angles, uniform between 0 and 2π."""
    return 2 * math.pi * torch.rand(count, generator=generator)
