"""Pictures of learning and of discrete weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reproductions.common.figures import canvas, grey, label, legend, line, save
from reproductions.discrete_weights.networks import TERNARY, Trained

_UNITS = 10

Runs = Mapping[str, Sequence[Trained]]


def draw_learning(found: Mapping[str, Runs], path: Path) -> Path:
    """Draw the held-out accuracy over epochs."""
    figure, axes = canvas(1, len(found), side=(4.8, 3.2))
    for each, (source, runs) in zip(axes.flat, found.items(), strict=True):
        for k, (weights, of) in enumerate(runs.items()):
            means = [
                sum(column) / len(of) for column in zip(*(r.accuracies for r in of), strict=True)
            ]
            each.plot(range(1, len(means) + 1), means, **line(k), label=weights)
        label(each, source, "epoch", "held-out accuracy, %")
    legend(figure, axes.flat[0])
    return save(figure, path)


def draw_weights(found: Mapping[str, Runs], path: Path) -> Path:
    """Draw the ternary weights of units of the first layer, two rows for each task."""
    figure, axes = canvas(2 * len(found), _UNITS, side=(1.1, 1.1))
    for row, runs in zip(axes.reshape(len(found), -1), found.values(), strict=True):
        first = runs[TERNARY][0].first
        side = round(first.shape[1] ** 0.5)
        for each, unit in zip(row, first, strict=False):
            grey(each, unit.reshape(1, side, side), low=-1.0)
    return save(figure, path)
