"""The pictures of the invertible classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from reproductions.common.figures import (
    FAINT,
    GREEN,
    canvas,
    grey,
    label,
    legend_beside,
    marked,
    save,
    side_label,
)
from reproductions.invertible_classifiers.training import Fitted


def draw_learning(found: Mapping[str, Sequence[Fitted]], path: Path) -> Path:
    """Draw the held-out accuracy and the training loss over the epochs, network by network."""
    figure, ((left, right),) = canvas(1, 2, side=(4.8, 3.6))
    for number, (name, runs) in enumerate(found.items()):
        for k, run in enumerate(runs):
            epochs = range(1, 1 + len(run.losses))
            text = name if k == 0 else None
            errors = [100 * (1 - a) for a in run.accuracies]
            left.plot(epochs, errors, label=text, **marked(number))
            right.plot(epochs, run.losses, label=text, **marked(number))
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
    legend_beside(right)
    label(left, "held-out error, one curve a seed", "epoch", "%")
    label(right, "training loss", "epoch", "cross entropy, nats")
    return save(figure, path)


def draw_memory(kept: Mapping[str, tuple[int, int]], batch: int, path: Path) -> Path:
    """Draw what a training step keeps in memory, with all activations and without."""
    figure, ((axes,),) = canvas(1, 1, side=(6.4, 2.6))
    places = np.arange(len(kept))
    for k, (name, colour) in enumerate(zip(("autograd", "constant"), (FAINT, GREEN), strict=True)):
        sizes = [each[k] / 2**20 for each in kept.values()]
        bars = axes.barh(places + 0.2 * (2 * k - 1), sizes, 0.36, color=colour, label=name)
        axes.bar_label(bars, fmt="%.1f", fontsize=8, padding=3)
    axes.set_yticks(places, list(kept))
    axes.invert_yaxis()
    legend_beside(axes)
    label(axes, f"kept between forward and backward pass, batch of {batch}", "MiB", "")
    return save(figure, path)


def draw_restored(images: Tensor, restored: Mapping[str, Tensor], path: Path) -> Path:
    """Draw images above those that come back from the last invertible features."""
    figure, rows = canvas(1 + 2 * len(restored), len(images), side=(1.1, 1.15))
    low, high = float(images.min()), float(images.max())
    _row(rows[0], images, "images", low, high)
    for k, (name, found) in enumerate(restored.items()):
        _row(rows[1 + 2 * k], found, f"{name}:\nrestored", low, high)
        error = (found - images).abs()
        top = float(error.max())
        _row(rows[2 + 2 * k], error, f"difference,\nwhite = {top:.0e}", 0.0, top)
    return save(figure, path)


def _row(axes: Sequence[Axes], images: Tensor, name: str, low: float, high: float) -> None:
    for each, image in zip(axes, images, strict=True):
        grey(each, image, low=low, high=high)
    side_label(axes[0], name, size=8)
