"""The training of the classifiers of rotated digits: the same course for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.models._equivariant_classifier import equivariant_classifier
from darboux.symmetry import Cyclic
from reproductions.common.drawings import LabelledImages
from reproductions.invertible_classifiers.training import accuracy
from reproductions.rotated_images.digits import any_angles, shown

Build = Callable[[], nn.Sequential]
Show = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Course:
    """How long a classifier is trained.

    Args:
        steps: of AdamW with a one-cycle schedule.
        batch: images of a step.
        rate: the largest learning rate.
        decay: of weights.

    Example:
        >>> Course(steps=100).batch
        50
    """

    steps: int
    batch: int = 50
    rate: float = 0.02
    decay: float = 1e-3


@dataclass(frozen=True)
class Trained:
    """A trained classifier.

    Args:
        network: in evaluation mode.
        seconds: of processor time that training took.
    """

    network: nn.Sequential
    seconds: float

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(p.numel() for p in self.network.parameters())

    def accuracy(self, images: Tensor, classes: Tensor) -> float:
        """Return the share of images that are given their class, in per cent."""
        return 100 * accuracy(self.network, LabelledImages(images, classes))


def ordinary(classes: int) -> nn.Sequential:
    """Return the convolutional network, with as many parameters as `equivariant` within 5 %.

    Example:
        >>> sum(p.numel() for p in ordinary(9).parameters())
        4880
    """
    return equivariant_classifier(1, classes, group=Cyclic(1), widths=(12, 18, 16))


def equivariant(classes: int) -> nn.Sequential:
    """Return the classifier with eight rotations.

    Example:
        >>> sum(p.numel() for p in equivariant(9).parameters())
        4744
    """
    return equivariant_classifier(1, classes, group=Cyclic(8), widths=(4, 8, 8))


def trained(build: Build, show: Show, classes: Tensor, course: Course, *, seed: int) -> Trained:
    """Build a classifier and train it.

    Args:
        build: makes the network.
        show: the images of some rows; it may turn them at random.
        classes: of all images.
        course: of the training.
        seed: of weights, order and turns.

    Raises:
        FloatingPointError: if the loss is not finite.

    Example:
        >>> images, classes = torch.rand(20, 1, 6, 6), torch.randint(9, (20,))
        >>> found = trained(lambda: ordinary(9), images.__getitem__, classes, Course(2), seed=0)
        >>> found.parameters, found.network.training
        (4880, False)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
        begin = time.process_time()
        loss = _train(network, show, classes, course)
        seconds = time.process_time() - begin
    if not loss.isfinite():
        raise FloatingPointError("Expected a finite training loss; it is NaN or infinite.")
    return Trained(network.eval(), seconds)


def _train(network: nn.Module, show: Show, classes: Tensor, course: Course) -> Tensor:
    """Train a network, and return the last loss."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=course.rate, weight_decay=course.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, course.rate, total_steps=course.steps)
    network.train()
    loss = torch.zeros(())
    for _ in range(course.steps):
        rows = torch.randint(len(classes), (course.batch,))
        loss = F.cross_entropy(network(show(rows)), classes[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return loss.detach()


def turning(digits: Tensor) -> Show:
    """Return what shows some of the digits, each turned at random, anew every time.

    Args:
        digits: (count, 1, 8, 8).

    Example:
        >>> turning(torch.rand(5, 1, 8, 8))(torch.tensor([0, 3])).shape
        torch.Size([2, 1, 18, 18])
    """
    return lambda rows: shown(digits[rows], any_angles(len(rows)))
