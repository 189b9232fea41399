"""Test errors of classifiers of rotated digits against the number of training images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from reproductions.common.classification import LabelledImages
from reproductions.common.figures import canvas, label, legend_beside, marked, save
from reproductions.rotated_images.classifiers import (
    Build,
    Course,
    Show,
    Trained,
    equivariant,
    ordinary,
    trained,
    turning,
)
from reproductions.rotated_images.digits import CLASSES, any_angles, shown

ORDINARY, AUGMENTED, EQUIVARIANT = "ordinary", "ordinary, augmented", "equivariant"
_LONGER = 3
_TURNS = 11  # the seed of the random angles of training and test images


@dataclass(frozen=True)
class Curve:
    """The test errors of a kind of classifier in per cent, for each number of images.

    Example:
        >>> Curve((10, 1000), ((30.0, 50.0), (4.0, 4.0)), 5).exponent
        -0.5
    """

    counts: tuple[int, ...]  # the numbers N of training images, rising
    errors: tuple[tuple[float, ...], ...]  # for each N the errors of the runs
    parameters: int  # how many numbers are learned

    @property
    def means(self) -> list[float]:
        """The mean error over the runs, for each N."""
        return [sum(runs) / len(runs) for runs in self.errors]

    @property
    def exponent(self) -> float:
        """The slope a of the mean error C N^a, fitted in logarithms."""
        return self.fit()[0]

    def fit(self) -> tuple[float, float]:
        """Return (a, C) of the power law C N^a that is nearest to the means in logarithms."""
        slope, level = np.polyfit(np.log(self.counts), np.log(self._positive()), 1)
        return round(float(slope), 12), math.exp(level)

    def needed(self, error: float) -> float | None:
        """Return N of an error on the curve, straight between points in logarithms.

        None where the curve does not reach it, or lies below it from the start.
        """
        errors = self._positive()
        for k in range(1, len(errors)):
            high, low = errors[k - 1], errors[k]
            if low <= error <= high and low < high:
                share = math.log(high / error) / math.log(high / low)
                first, last = math.log(self.counts[k - 1]), math.log(self.counts[k])
                return math.exp(first + share * (last - first))
        return None

    def ratios(self, other: Curve) -> dict[float, float]:
        """Return how many times as many images this one needs, by the errors of its own points.

        Only errors that both curves reach count.
        """
        found = {}
        for count, error in zip(self.counts, self._positive(), strict=True):
            fewer = other.needed(error)
            if fewer is not None:
                found[error] = count / fewer
        return found

    def _positive(self) -> list[float]:
        """Return the means, none below a hundredth of a per cent."""
        return [max(mean, 0.01) for mean in self.means]


def curves(
    training: LabelledImages,
    test: LabelledImages,
    counts: Sequence[int],
    course: Course,
    seeds: Sequence[int],
) -> dict[str, Curve]:
    """Train every kind of classifier on the first N images, and return its errors."""
    generator = torch.Generator().manual_seed(_TURNS)
    judged, fixed = (
        LabelledImages(shown(x, any_angles(len(x), generator)), y) for x, y in (test, training)
    )
    longer = replace(course, steps=_LONGER * course.steps)
    plans: dict[str, tuple[Build, Show, Course]] = {
        ORDINARY: (partial(ordinary, CLASSES), fixed.images.__getitem__, longer),
        AUGMENTED: (partial(ordinary, CLASSES), turning(training.images), longer),
        EQUIVARIANT: (partial(equivariant, CLASSES), fixed.images.__getitem__, course),
    }
    return {
        name: _curve(build, show, training, judged, tuple(counts), own, seeds)
        for name, (build, show, own) in plans.items()
    }


def _curve(
    build: Build,
    show: Show,
    training: LabelledImages,
    judged: LabelledImages,
    counts: tuple[int, ...],
    course: Course,
    seeds: Sequence[int],
) -> Curve:
    """Return the errors of one kind of classifier."""
    runs = [
        [trained(build, show, training.classes[:count], course, seed=seed) for seed in seeds]
        for count in counts
    ]
    errors = tuple(tuple(_error(run, judged) for run in row) for row in runs)
    return Curve(counts, errors, runs[0][0].parameters)


def _error(found: Trained, judged: LabelledImages) -> float:
    return 100 - found.accuracy(judged.images, judged.classes)


def draw(found: Mapping[str, Curve], path: Path) -> Path:
    """Draw the test error against the number of training images, with fitted power laws."""
    figure, ((axes,),) = canvas(1, 1, side=(7.2, 3.8))
    for k, (name, curve) in enumerate(found.items()):
        exponent, factor = curve.fit()
        text = f"{name}, ∝ N^{exponent:.2f}"
        (drawn,) = axes.plot(curve.counts, curve.means, label=text, **marked(k))
        low, high = [min(runs) for runs in curve.errors], [max(runs) for runs in curve.errors]
        axes.fill_between(curve.counts, low, high, color=drawn.get_color(), alpha=0.15, linewidth=0)
        fitted = [factor * count**exponent for count in curve.counts]
        axes.plot(curve.counts, fitted, ":", color=drawn.get_color(), linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(next(iter(found.values())).counts)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")
    ticks = [2, 5, 10, 20, 50, 100]
    axes.set_yticks(ticks, [f"{tick}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.grid(visible=True, alpha=0.25)
    legend_beside(axes)
    label(axes, "test error on randomly turned digits", "training images N", "test error, %")
    return save(figure, path)
