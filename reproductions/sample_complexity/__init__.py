"""The images that equivariance saves: test error against the number of training images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Result, Statement
from reproductions.common.sizes import same_size
from reproductions.rotated_images.classifiers import Course
from reproductions.rotated_images.digits import digits_without_nine
from reproductions.rotated_images.pictures import draw_digits
from reproductions.sample_complexity.curves import (
    AUGMENTED,
    EQUIVARIANT,
    ORDINARY,
    Curve,
    curves,
    draw,
)

_LEAD = (
    "Digits of scikit-learn (without the 9), each turned by a random angle, in training and in "
    "test. An ordinary and an equivariant classifier (eight rotations) of the same depth and "
    "size learn from the first N images, the ordinary one also with images turned anew at every "
    "step; for every N the ordinary ones make three times as many steps, at less cost. How much "
    "lower is the error, and how many more images does the ordinary one need? The trainings are "
    "short: at large N the errors are due to their length as much as to the number of images, "
    "and ratios hold for trainings of this length."
)


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    counts: tuple[int, ...]  # numbers N of training images
    course: Course  # of every training; the ordinary classifiers make three times as many steps
    seeds: int  # runs for each N


_FULL = Size((50, 100, 250, 1000), Course(400, 50, 0.02), 3)
_QUICK = Size((30, 300), Course(120, 20, 0.03), 1)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train both classifiers on more and more images, and compare their errors.

    Source: sections 5.2 and 5.3.1.
    """
    size = _QUICK if quick else _FULL
    training, test = digits_without_nine()
    seeds = range(seed, seed + size.seeds)
    found = curves(training, test, size.counts, size.course, seeds)
    return Result(
        title="Sample complexity: what equivariance saves",
        lead=_LEAD,
        numbers=_numbers(found),
        statements=[
            same_size(
                {name: curve.parameters for name, curve in found.items()},
                "parameters are the same to within 5 %",
            ),
            _lower(found, ORDINARY),
            _lower(found, AUGMENTED),
            _at_the_start(found),
            _saves(found),
        ],
        figures={
            draw_digits(out / "digits.png"): "Some test digits, upright and turned by 45° and 90°.",
            draw(found, out / "errors.png"): (
                "Test error against the number of training images, mean and range over the runs, "
                "with the power law fitted to the means."
            ),
        },
    )


def _numbers(found: Mapping[str, Curve]) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {}
    for name, curve in found.items():
        numbers[f"parameters, {name}"] = curve.parameters
        numbers[f"exponent of the error in N, {name}"] = curve.exponent
        for count, mean in zip(curve.counts, curve.means, strict=True):
            numbers[f"test error in %, N = {count}, {name}"] = mean
    for name in (ORDINARY, AUGMENTED):
        for error, ratio in found[name].ratios(found[EQUIVARIANT]).items():
            numbers[f"times as many images for an error of {error:.1f} %, {name}"] = ratio
    return numbers


def _lower(found: Mapping[str, Curve], other: str) -> Statement:
    mine, theirs = found[EQUIVARIANT].means, found[other].means
    text = f"the mean error of {EQUIVARIANT} is below that of {other} for every N"
    pairs = zip(found[EQUIVARIANT].counts, mine, theirs, strict=True)
    measured = ", ".join(f"N = {n}: {a:.1f} and {b:.1f} %" for n, a, b in pairs)
    return Statement(text, measured, holds=all(a < b for a, b in zip(mine, theirs, strict=True)))


def _at_the_start(found: Mapping[str, Curve]) -> Statement:
    mine, theirs = found[EQUIVARIANT].means[0], found[ORDINARY].means[0]
    text = f"with the fewest images {EQUIVARIANT} makes at most two thirds of the errors"
    measured = f"N = {found[ORDINARY].counts[0]}: {mine:.1f} and {theirs:.1f} %"
    return Statement(text, measured, holds=3 * mine <= 2 * theirs)


def _saves(found: Mapping[str, Curve]) -> Statement:
    ratios = list(found[ORDINARY].ratios(found[EQUIVARIANT]).values())
    text = (
        f"in trainings of this length {ORDINARY} needs at least twice as many images for errors "
        "that both reach"
    )
    if not ratios:
        least = found[ORDINARY].counts[-1] / found[EQUIVARIANT].counts[0]
        below = found[EQUIVARIANT].means[0] < found[ORDINARY].means[-1]
        measured = f"with {least:g} times as many images its error is still the larger one"
        return Statement(text, measured, holds=below)
    measured = f"{minimum(ratios):.1f} to {maximum(ratios):.1f} times as many"
    return Statement(text, measured, holds=minimum(ratios) >= 2)
