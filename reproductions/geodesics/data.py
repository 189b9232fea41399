"""Points of the plane, digits and clothes: coordinates that a network moves, and classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reproductions.discrete_weights.data import Task as Pictures
from reproductions.discrete_weights.data import digits, fashion
from reproductions.optimal_control.data import spiral

COORDINATES = 24  # of an image
_JUDGED = 300  # points


@dataclass(frozen=True)
class Task:
    """Points to learn from and to judge by."""

    name: str
    x: Tensor  # (count, features)
    y: Tensor  # (count,), int64
    x_test: Tensor
    y_test: Tensor

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.y.max()) + 1


def tasks(*, quick: bool, data: Path | None, seed: int) -> list[Task]:
    """Return the spiral, the digits and, from a folder, Fashion-MNIST."""
    found = [_spiral(seed), _images("digits", digits(), training=1297)]
    if data is not None:
        training = 1500 if quick else 10_000
        found.append(_images("Fashion-MNIST", fashion(data), training=training))
    return found


def _spiral(seed: int) -> Task:
    generator = torch.Generator().manual_seed(seed)
    (x, y), (x_test, y_test) = (spiral(count, generator) for count in (500, _JUDGED))
    x, x_test = (each.float() / float(x.std()) for each in (x, x_test))
    return Task("spiral", x, y.long(), x_test, y_test.long())


def _images(name: str, task: Pictures, *, training: int) -> Task:
    """Return the leading principal components, divided by the deviation of the first."""
    images, y = task.training.images[:training], task.training.classes[:training]
    mean = images.mean(dim=0)
    axes = torch.linalg.svd(images - mean, full_matrices=False).Vh[:COORDINATES].T
    x, x_test = (images - mean) @ axes, (task.held_out.images[:_JUDGED] - mean) @ axes
    scale = x[:, 0].std()
    return Task(name, x / scale, y, x_test / scale, task.held_out.classes[:_JUDGED])
