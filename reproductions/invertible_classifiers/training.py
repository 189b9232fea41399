"""The training of the classifiers that are compared: the same budget for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproductions.common.drawings import LabelledImages

_AT_ONCE = 500  # images of an evaluation


@dataclass(frozen=True)
class Budget:
    """How long a network is trained.

    Args:
        epochs: passes over the training images.
        batch: images of a step.
        rate: the largest learning rate, of a one-cycle schedule of AdamW.
        decay: of weights.

    Example:
        >>> Budget(epochs=3).batch
        128
    """

    epochs: int
    batch: int = 128
    rate: float = 0.01
    decay: float = 5e-4


@dataclass(frozen=True)
class Task:
    """Images to learn from and to judge by.

    Args:
        training: to learn from.
        held_out: to judge by.
        classes: their number.
        source: in words.
    """

    training: LabelledImages
    held_out: LabelledImages
    classes: int
    source: str

    def standardised(self) -> Task:
        """Return the task with mean 0 and variance 1 of all training pixels."""
        deviation, mean = torch.std_mean(self.training.images)
        training, held_out = (
            LabelledImages((side.images - mean) / deviation, side.classes)
            for side in (self.training, self.held_out)
        )
        return Task(training, held_out, self.classes, self.source)


@dataclass(frozen=True)
class Fitted:
    """A trained network and how it came about.

    Args:
        network: in evaluation mode.
        losses: the mean training loss of each epoch.
        accuracies: on held-out images after each epoch.
        seconds: of processor time that training took, evaluation aside.
    """

    network: nn.Sequential
    losses: list[float]
    accuracies: list[float]
    seconds: float

    @property
    def accuracy(self) -> float:
        """On held-out images, in the end."""
        return self.accuracies[-1]

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(p.numel() for p in self.network.parameters())


def fitted(build: Callable[[], nn.Sequential], task: Task, budget: Budget, *, seed: int) -> Fitted:
    """Build a network and train it; images are mirrored at random.

    Args:
        build: makes the network.
        task: standardised images.
        budget: of the training.
        seed: of weights and order.

    Raises:
        FloatingPointError: if the loss is not finite.

    Example:
        >>> from reproductions.common.drawings import drawings
        >>> task = Task(drawings(64, side=8, noise=0.0), drawings(32, side=8, noise=0.0), 8, "")
        >>> def build():
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(64, 8))
        >>> len(fitted(build, task, Budget(epochs=2, batch=32), seed=0).accuracies)
        2
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
        steps = len(task.training.images) // budget.batch * budget.epochs
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=budget.rate, weight_decay=budget.decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, budget.rate, total_steps=steps)
        losses, accuracies, seconds = [], [], 0.0
        for _ in range(budget.epochs):
            begin = time.process_time()
            losses.append(_epoch(network, task.training, budget.batch, optimiser, schedule))
            seconds += time.process_time() - begin
            accuracies.append(accuracy(network.eval(), task.held_out))
    return Fitted(network, losses, accuracies, seconds)


def _epoch(
    network: nn.Module,
    data: LabelledImages,
    batch: int,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    """Train once with all images, and return the mean loss."""
    network.train()
    total, count = 0.0, len(data.images) // batch
    for rows in torch.randperm(len(data.images))[: count * batch].split(batch):
        images = _mirrored(data.images[rows])
        loss = F.cross_entropy(network(images), data.classes[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        total += loss.item()
    if not torch.tensor(total).isfinite():
        raise FloatingPointError("Expected a finite training loss; it is NaN or infinite.")
    return total / count


def _mirrored(images: Tensor) -> Tensor:
    """Return the images, half of them mirrored."""
    turned = torch.rand(len(images)) < 0.5
    return torch.where(turned[:, None, None, None], images.flip(-1), images)


@torch.no_grad()
def accuracy(network: nn.Module, data: LabelledImages) -> float:
    """Return the share of images that are given their class.

    Args:
        network: in evaluation mode.
        data: images and classes.

    Example:
        >>> from reproductions.common.drawings import LabelledImages
        >>> data = LabelledImages(torch.eye(2)[:, None, None], torch.tensor([0, 0]))
        >>> accuracy(nn.Flatten(), data)
        0.5
    """
    pairs = zip(data.images.split(_AT_ONCE), data.classes.split(_AT_ONCE), strict=True)
    right = sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in pairs)
    return right / len(data.images)
