"""Labelled images, and how often a network names their classes."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor, nn

_AT_ONCE = 500  # images of an evaluation


class LabelledImages(NamedTuple):
    """Images and their classes."""

    images: Tensor  # (count, channels, H, W)
    classes: Tensor  # (count,), int64


def labelled_digits() -> LabelledImages:
    """Return 1797 digits of 8 x 8 pixels with values in [0, 1].

    Source: Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, UCI.
    """
    if find_spec("sklearn") is None:
        raise ModuleNotFoundError(
            "Expected scikit-learn, whose digits are wanted; it is not installed. "
            'Use: pip install "darboux[digits]".'
        )
    found = import_module("sklearn.datasets").load_digits()
    images = torch.from_numpy(found.images).float()[:, None] / 16
    return LabelledImages(images, torch.from_numpy(found.target).to(torch.int64))


@torch.no_grad()
def accuracy(network: nn.Module, data: LabelledImages) -> float:
    """Return the share of images that are given their class."""
    pairs = zip(data.images.split(_AT_ONCE), data.classes.split(_AT_ONCE), strict=True)
    right = sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in pairs)
    return right / len(data.images)
