"""Labelled images, and how often a network names their classes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

_AT_ONCE = 500  # images of an evaluation


class LabelledImages(NamedTuple):
    """Images and their classes."""

    images: Tensor  # (count, channels, H, W)
    classes: Tensor  # (count,), int64


@torch.no_grad()
def accuracy(network: nn.Module, data: LabelledImages) -> float:
    """Return the share of images that are given their class."""
    pairs = zip(data.images.split(_AT_ONCE), data.classes.split(_AT_ONCE), strict=True)
    right = sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in pairs)
    return right / len(data.images)
