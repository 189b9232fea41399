"""Classifiers of upright digits, judged on turned ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from reproductions.common.drawings import LabelledImages
from reproductions.rotated_images.digits import CLASSES, any_angles, digits_without_nine, shown
from reproductions.rotated_images.training import (
    Build,
    Course,
    Show,
    Trained,
    equivariant,
    ordinary,
    trained,
    turning,
)

ORDINARY, AUGMENTED = "ordinary", "ordinary, augmented"
EQUIVARIANT, BOTH = "equivariant", "equivariant, augmented"
ANGLES = tuple(range(0, 361, 15))
_TURNS = 7  # the seed of the random angles, the same for all


@dataclass(frozen=True)
class Judged:
    """A trained classifier and how often it is right, in per cent.

    Args:
        trained: the network.
        by_angle: the accuracy on images turned by `ANGLES`.
        random: the accuracy on images turned by random angles.
        wobble: the largest change of a logit by a quarter turn, relative to the largest logit.
    """

    trained: Trained
    by_angle: Mapping[int, float]
    random: float
    wobble: float


def classifiers(
    course: Course, seeds: Sequence[int], *, count: int | None = None
) -> dict[str, list[Judged]]:
    """Train each kind of classifier on upright digits, a seed each, and judge all alike.

    The augmented ones see their training images turned at random; the ordinary one of them
    makes twice as many steps, for its task is the harder one.

    Args:
        course: of the training.
        seeds: of weights and order.
        count: of the test images that judge; all by default.

    Example:
        >>> found = classifiers(Course(2), [0], count=20)
        >>> found[EQUIVARIANT][0].by_angle[90] == found[EQUIVARIANT][0].by_angle[0]
        True
    """
    training, test = digits_without_nine()
    test = LabelledImages(test.images[:count], test.classes[:count])
    upright = shown(training.images).__getitem__
    twice = replace(course, steps=2 * course.steps)
    plans: dict[str, tuple[Build, Show, Course]] = {
        ORDINARY: (partial(ordinary, CLASSES), upright, course),
        AUGMENTED: (partial(ordinary, CLASSES), turning(training.images), twice),
        EQUIVARIANT: (partial(equivariant, CLASSES), upright, course),
        BOTH: (partial(equivariant, CLASSES), turning(training.images), course),
    }
    return {
        name: [
            judged(trained(build, show, training.classes, own, seed=seed), test) for seed in seeds
        ]
        for name, (build, show, own) in plans.items()
    }


def judged(found: Trained, test: LabelledImages) -> Judged:
    """Return how often a classifier is right, angle by angle.

    Args:
        found: the classifier.
        test: digits of 8 x 8 pixels.

    Example:
        >>> test = LabelledImages(torch.rand(4, 1, 8, 8), torch.arange(4))
        >>> judged(Trained(equivariant(9).eval(), 0.0), test).wobble < 1e-4
        True
    """
    digits, classes = test
    angles = any_angles(len(digits), torch.Generator().manual_seed(_TURNS))
    by_angle = {
        angle: found.accuracy(shown(digits, math.radians(angle)), classes) for angle in ANGLES
    }
    return Judged(
        found, by_angle, found.accuracy(shown(digits, angles), classes), _wobble(found, test)
    )


@torch.no_grad()
def _wobble(found: Trained, test: LabelledImages) -> float:
    """Return the largest change of a logit by exact quarter turns, relatively."""
    images = shown(test.images)
    first = found.network(images)
    turns = [found.network(torch.rot90(images, k, dims=(2, 3))) for k in (1, 2, 3)]
    return max(float((each - first).abs().max()) for each in turns) / float(first.abs().max())
