"""The training of the classifiers that are compared: the same budget for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.solvers import descend
from reproductions.common.classification import LabelledImages, accuracy
from reproductions.common.sizes import parameter_count
from reproductions.invertible_classifiers.data import Task


@dataclass(frozen=True)
class Budget:
    """How long a network is trained."""

    epochs: int  # passes over the training images
    batch: int = 128  # images of a step
    rate: float = 0.01  # the largest learning rate, of a one-cycle schedule of AdamW
    decay: float = 5e-4  # of weights


@dataclass(frozen=True)
class Fitted:
    """A trained network and how it came about."""

    network: nn.Sequential  # in evaluation mode
    losses: list[float]  # the mean training loss of each epoch
    accuracies: list[float]  # on held-out images after each epoch
    seconds: float  # of processor time that training took, evaluation aside

    @property
    def accuracy(self) -> float:
        """On held-out images, in the end."""
        return self.accuracies[-1]

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return parameter_count(self.network)


def fitted(build: Callable[[], nn.Sequential], task: Task, budget: Budget, *, seed: int) -> Fitted:
    """Build a network and train it; images are mirrored at random."""
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
    whole = len(data.images) // batch * batch
    losses = descend(
        optimiser,
        lambda rows: F.cross_entropy(network(_mirrored(data.images[rows])), data.classes[rows]),
        torch.randperm(len(data.images))[:whole].split(batch),
        schedule=schedule,
    )
    return fmean(losses)


def _mirrored(images: Tensor) -> Tensor:
    """Return the images, half of them mirrored."""
    turned = torch.rand(len(images)) < 0.5
    return torch.where(turned[:, None, None, None], images.flip(-1), images)
