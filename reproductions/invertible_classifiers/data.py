"""Images to classify: those of Fashion-MNIST, or simple drawings for runs without a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from darboux.data import idx_images
from reproductions.common.classification import LabelledImages

CLASSES = 8  # of the drawings
_SIDE = 16


@dataclass(frozen=True)
class Task:
    """Images to learn from and to judge by."""

    training: LabelledImages  # to learn from
    held_out: LabelledImages  # to judge by
    classes: int  # their number
    source: str  # in words

    def standardised(self) -> Task:
        """Return the task with mean 0 and variance 1 of all training pixels."""
        deviation, mean = torch.std_mean(self.training.images)
        training, held_out = (
            LabelledImages((side.images - mean) / deviation, side.classes)
            for side in (self.training, self.held_out)
        )
        return Task(training, held_out, self.classes, self.source)


def task_of(data: Path | None, *, images: int, held_out: int, seed: int, quick: bool) -> Task:
    """Return the images, standardised."""
    if data is None and not quick:
        raise ValueError(
            "Expected data: a folder with the four IDX files of Fashion-MNIST; got none. Name it "
            "with --data, or use --quick, which draws simple images instead."
        )
    generator = torch.Generator().manual_seed(seed)
    if data is None:
        made, judged = (
            drawings(count, side=_SIDE, noise=0.1, generator=generator)
            for count in (images, held_out)
        )
        return Task(made, judged, CLASSES, "simple drawings, made up").standardised()
    training = LabelledImages(*idx_images(data))
    rows = torch.randperm(len(training.images), generator=generator)[:images]
    training = LabelledImages(training.images[rows], training.classes[rows])
    judged = LabelledImages(*(t[:held_out] for t in idx_images(data, split="held-out")))
    return Task(training, judged, int(training.classes.max()) + 1, data.name).standardised()


def drawings(
    count: int, *, side: int, noise: float, generator: torch.Generator | None = None
) -> LabelledImages:
    """Draw discs, rings, squares, frames, bars, pluses and crosses of any place and size."""
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
