"""Classifiers of upright digits: the networks, their training, and how they do on turned ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.models import equivariant_classifier
from darboux.solvers import descend
from darboux.symmetry import Cyclic
from reproductions.common.classification import LabelledImages, accuracy
from reproductions.common.extremes import maximum
from reproductions.common.sizes import parameter_count
from reproductions.rotated_images.digits import CLASSES, any_angles, digits_without_nine, shown

ORDINARY, AUGMENTED = "ordinary", "ordinary, augmented"
EQUIVARIANT, BOTH = "equivariant", "equivariant, augmented"
ANGLES = tuple(range(0, 361, 15))
_TURNS = 7  # the seed of the random angles, the same for all

Build = Callable[[], nn.Sequential]
Show = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Course:
    """How long a classifier is trained."""

    steps: int  # of AdamW with a one-cycle schedule
    batch: int = 50  # images of a step
    rate: float = 0.02  # the largest learning rate
    decay: float = 1e-3  # of weights


@dataclass(frozen=True)
class Trained:
    """A trained classifier."""

    network: nn.Sequential  # in evaluation mode
    seconds: float  # of processor time that training took

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return parameter_count(self.network)

    def accuracy(self, images: Tensor, classes: Tensor) -> float:
        """Return the share of images that are given their class, in per cent."""
        return 100 * accuracy(self.network, LabelledImages(images, classes))


def ordinary(classes: int) -> nn.Sequential:
    """Return the convolutional network, with as many parameters as `equivariant` within 5 %."""
    return equivariant_classifier(1, classes, group=Cyclic(1), widths=(12, 18, 16))


def equivariant(classes: int) -> nn.Sequential:
    """Return the classifier with eight rotations."""
    return equivariant_classifier(1, classes, group=Cyclic(8), widths=(4, 8, 8))


def trained(build: Build, show: Show, classes: Tensor, course: Course, *, seed: int) -> Trained:
    """Build a classifier and train it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
        begin = time.process_time()
        _train(network, show, classes, course)
        seconds = time.process_time() - begin
    return Trained(network.eval(), seconds)


def _train(network: nn.Module, show: Show, classes: Tensor, course: Course) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=course.rate, weight_decay=course.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, course.rate, total_steps=course.steps)
    network.train()
    descend(
        optimiser,
        lambda rows: F.cross_entropy(network(show(rows)), classes[rows]),
        (torch.randint(len(classes), (course.batch,)) for _ in range(course.steps)),
        schedule=schedule,
    )


def turning(digits: Tensor) -> Show:
    """Return what shows some of the digits, each turned at random, anew every time."""
    return lambda rows: shown(digits[rows], any_angles(len(rows)))


@dataclass(frozen=True)
class Judged:
    """A trained classifier and how often it is right, in per cent."""

    trained: Trained
    by_angle: Mapping[int, float]  # the accuracy on images turned by `ANGLES`
    random: float  # the accuracy on images turned by random angles
    wobble: float  # the largest change of a logit by a quarter turn, relative to the largest logit


def classifiers(
    course: Course, seeds: Sequence[int], *, count: int | None = None
) -> dict[str, list[Judged]]:
    """Train each kind of classifier on upright digits, a seed each, and judge all alike.

    The augmented ones see their training images turned at random; the ordinary one of them
    makes twice as many steps, for its task is the harder one.
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
    """Return how often a classifier is right, angle by angle."""
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
    return maximum(float((each - first).abs().max()) for each in turns) / float(first.abs().max())
