"""Dense networks, and their training with real and with discrete weights."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.control import DiscreteMSA
from reproductions.common.classification import accuracy
from reproductions.discrete_weights.data import Task

REAL, TERNARY, BINARY = "real", "ternary", "binary"
WEIGHTS: dict[str, tuple[float, ...]] = {
    REAL: (),
    TERNARY: (-1.0, 0.0, 1.0),
    BINARY: (-1.0, 1.0),
}
_RATE = 1e-3  # of Adam


@dataclass(frozen=True)
class Course:
    """How a network is made and trained."""

    width: int  # of two hidden layers
    epochs: int
    batch: int  # images of a step
    start: float  # how fast the averages of discrete weights move at first
    fall: float  # the factor by which that has fallen in the end
    penalty: float  # of ternary weights that are not 0


@dataclass(frozen=True)
class Trained:
    """A trained network."""

    accuracies: list[float]  # held out, after each epoch, in per cent
    values: list[float]  # that weights have, none for real ones
    nonzero: float  # the fraction of weights that are not 0
    weights: int  # their number
    first: Tensor  # the weights of the first layer
    seconds: float  # of processor time


def network_of(width: int, pixels: int, classes: int = 10) -> nn.Sequential:
    """Return three dense layers without biases, each with its normalisation."""
    sizes = [pixels, width, width, classes]
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def trained(weights: str, task: Task, course: Course, *, seed: int) -> Trained:
    """Build a network and train it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _trained(weights, task, course)


def _trained(weights: str, task: Task, course: Course) -> Trained:
    images, classes = task.training
    network = network_of(course.width, images.shape[1])
    dense = [layer.weight for layer in network if isinstance(layer, nn.Linear)]
    optimizers = _optimizers(weights, network, dense, course, len(images) // course.batch)
    begin, accuracies = time.process_time(), []
    for _ in range(course.epochs):
        for rows in torch.randperm(len(images)).split(course.batch):
            if len(rows) == course.batch:
                _step(network, optimizers, images[rows], classes[rows])
        network.eval()
        accuracies.append(100 * accuracy(network, task.held_out))
        network.train()
    flat = torch.cat([w.detach().flatten() for w in dense])
    return Trained(
        accuracies,
        [] if weights == REAL else flat.unique().tolist(),
        float((flat != 0).float().mean()),
        flat.numel(),
        dense[0].detach(),
        time.process_time() - begin,
    )


Scheduled = tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]


def _optimizers(
    weights: str, network: nn.Sequential, dense: list[Tensor], course: Course, steps: int
) -> list[Scheduled]:
    """Return what trains the network, with schedules of `steps` an epoch."""
    steps *= course.epochs
    others = [p for p in network.parameters() if all(p is not w for w in dense)]
    adam = torch.optim.Adam(others if weights != REAL else [*dense, *others], lr=_RATE)
    found: list[Scheduled] = [(adam, torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps))]
    if weights == TERNARY:
        optimizer = DiscreteMSA(dense, "ternary", lr=course.start, penalty=course.penalty)
    elif weights == BINARY:
        optimizer = DiscreteMSA(dense, "binary", lr=course.start)
    else:
        return found
    with torch.no_grad():
        values = torch.tensor(WEIGHTS[weights])
        for w in dense:
            w.copy_(values[torch.randint(len(values), w.shape)])
    fall = course.fall ** (1 / steps)
    return [*found, (optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, fall))]


def _step(network: nn.Module, optimizers: list[Scheduled], x: Tensor, y: Tensor) -> None:
    """Make one step of all optimisers."""
    network.zero_grad()
    nn.functional.cross_entropy(network(x), y).backward()
    for optimizer, schedule in optimizers:
        optimizer.step()
        schedule.step()
