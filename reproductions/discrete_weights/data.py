"""Images to classify as rows of numbers: digits, and Fashion-MNIST."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from darboux.data import idx_images
from reproductions.common.classification import LabelledImages, labelled_digits

_TRAINING = 1297
_ORDER = 20  # the seed of the split


@dataclass(frozen=True)
class Task:
    """Images to learn from and to judge by, (count, pixels)."""

    source: str  # in words
    training: LabelledImages
    held_out: LabelledImages


def digits() -> Task:
    """Return the digits of 8 x 8 pixels, 1297 to learn from and 500 to judge by."""
    images, classes = labelled_digits()
    images = images.flatten(1)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(_ORDER))
    training, held_out = (
        LabelledImages(images[rows], classes[rows])
        for rows in (order[:_TRAINING], order[_TRAINING:])
    )
    return Task("digits", training, held_out)


def fashion(folder: Path) -> Task:
    """Return the images of a folder of IDX files.

    Source: Xiao, Rasul and Vollgraf 2017, Fashion-MNIST.
    """
    sides = (idx_images(folder, split="training"), idx_images(folder, split="held-out"))
    training, held_out = (LabelledImages(images.flatten(1), y) for images, y in sides)
    return Task(folder.name, training, held_out)
