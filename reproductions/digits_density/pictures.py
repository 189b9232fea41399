"""The pictures of the digits: real ones, samples, their nearest neighbours; and the training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from darboux.data import DIGIT_LEVELS
from reproductions.common.figures import (
    COLOURS,
    RED,
    SOFT,
    canvas,
    label,
    legend_beside,
    marked,
    save,
)
from reproductions.digits_density.training import Learned

_ROWS, _COLUMNS = 3, 20
SHOWN = _ROWS * _COLUMNS


def draw_digits(real: Tensor, samples: Tensor, neighbours: Tensor, path: Path) -> Path:
    """Draw real digits, samples, and the training digit that is nearest to each sample."""
    figure, rows = canvas(3, 1, side=(8.6, 1.65))
    titles = ("test digits", "samples", "the training digits nearest to the samples above")
    for (axes,), images, title in zip(rows, (real, samples, neighbours), titles, strict=True):
        axes.imshow(mosaic(images).numpy(), cmap="Greys", vmin=0, vmax=DIGIT_LEVELS - 1)
        axes.set_axis_off()
        label(axes, title, "", "")
    return save(figure, path)


def draw_training(
    found: Learned,
    references: Mapping[str, float],
    distances: Mapping[str, Tensor],
    path: Path,
) -> Path:
    """Draw bits per dimension over the training, and distances to the training digits."""
    figure, ((left, right),) = canvas(1, 2, side=(5.0, 3.7))
    _curves(left, found)
    for style, (name, value) in zip((":", "--", "-."), references.items(), strict=False):
        left.axhline(value, color=SOFT, linestyle=style, linewidth=1.0, label=name)
    legend_beside(left)
    label(left, "training", "step", "bits per dimension")
    longest = max(float(its.max()) for its in distances.values())
    for colour, (name, its) in zip(COLOURS, distances.items(), strict=False):
        right.hist(
            its.numpy(), bins=40, range=(0, longest), density=True, alpha=0.55, color=colour,
            label=name,
        )  # fmt: skip
    legend_beside(right)
    right.yaxis.set_major_locator(MaxNLocator(4))
    label(right, "distance to the nearest training digit", "levels", "density")
    return save(figure, path)


def mosaic(images: Tensor) -> Tensor:
    """Return images side by side in rows, with a white pixel in between."""
    framed = torch.nn.functional.pad(images[:SHOWN, 0], (0, 1, 0, 1))
    size = framed.shape[-1]
    tiles = framed.reshape(_ROWS, _COLUMNS, size, size)
    return tiles.permute(0, 2, 1, 3).reshape(_ROWS * size, _COLUMNS * size)


def _curves(axes: Axes, found: Learned) -> None:
    """Draw both curves, and the steps that were chosen."""
    steps = [found.steps * (k + 1) for k in range(len(found.validation))]
    axes.plot(steps, found.training, **marked(0), label="training")
    axes.plot(steps, found.validation, **marked(1), label="validation")
    best = min(found.validation)
    axes.plot([found.best], [best], "o", color=RED, markersize=9, fillstyle="none")
