"""Trainings: the loss of each step, the seconds it took, and the share that is named rightly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from reproductions.common.classification import LabelledImages, accuracy
from reproductions.optimisers_on_networks.networks import (
    COMPETITORS,
    Competitor,
    Network,
    Setting,
    measure,
)


@dataclass(frozen=True)
class Problem:
    """A network and its images."""

    name: str
    network: Network
    training: LabelledImages
    held_out: LabelledImages
    steps: int
    batch: int


@dataclass(frozen=True)
class Run:
    """One training."""

    losses: list[float]  # of each batch, before its step
    seconds: list[float]  # of this process, after each step
    accuracy: float  # on held-out images

    def smooth(self, count: int) -> torch.Tensor:
        """Return the mean over the last `count` losses, for each step from there on."""
        return torch.tensor(self.losses).unfold(0, count, 1).mean(dim=1)

    @property
    def final(self) -> float:
        """The mean loss over the last tenth of the steps."""
        return _mean(self.losses[-max(1, len(self.losses) // 10) :])


@dataclass(frozen=True)
class Compared:
    """An optimiser on one problem: the best of its settings, and runs with other seeds."""

    name: str
    setting: Setting
    runs: list[Run]

    @property
    def window(self) -> int:
        """The steps over which losses are averaged, a tenth."""
        return max(1, len(self.runs[0].losses) // 10)

    @property
    def final(self) -> float:
        """The loss at the end, the mean over the seeds."""
        return _mean([run.final for run in self.runs])

    @property
    def accuracy(self) -> float:
        """The share of held-out images that are named rightly, the mean over the seeds."""
        return _mean([run.accuracy for run in self.runs])

    @property
    def seconds(self) -> float:
        """The seconds of a step."""
        return _mean([run.seconds[-1] / len(run.seconds) for run in self.runs])

    def reached(self, level: float) -> int | None:
        """Return the steps after which the averaged loss is that low, None if it never is."""
        smooth = torch.stack([run.smooth(self.window) for run in self.runs]).mean(dim=0)
        below = (smooth <= level * (1 + 1e-6)).nonzero()  # its own level, however it was summed
        return int(below[0]) + self.window if len(below) else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def trained(problem: Problem, competitor: Competitor, setting: Setting, seed: int) -> Run:
    """Train a network from a seed, which gives its weights and the order of the images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = problem.network()
        draws = [
            torch.randint(len(problem.training.images), (problem.batch,))
            for _ in range(problem.steps)
        ]
    optimizers = competitor.build(network, setting)
    losses: list[float] = []
    seconds: list[float] = []
    begin = time.process_time()
    for step, rows in enumerate(draws):
        x, y = problem.training.images[rows], problem.training.classes[rows]
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), y)
        losses.append(loss.item())
        if not losses[-1] < 1e3:  # it has diverged
            losses += [losses[-1]] * (problem.steps - len(losses))
            break
        loss.backward()
        measure(optimizers, x, step)
        for optimizer in optimizers:
            optimizer.step()
        seconds.append(time.process_time() - begin)
    return Run(losses, seconds, accuracy(network, problem.held_out))


def tuned(problem: Problem, competitor: Competitor, seeds: Sequence[int], seed: int) -> Compared:
    """Return runs with the setting whose loss at the end is the least, tried with one seed."""
    trials = [trained(problem, competitor, setting, seed).final for setting in competitor.settings]
    found = [loss if loss == loss else float("inf") for loss in trials]
    best = competitor.settings[found.index(min(found))]
    return Compared(
        competitor.name, best, [trained(problem, competitor, best, each) for each in seeds]
    )


def compared(problem: Problem, seeds: Sequence[int], seed: int) -> list[Compared]:
    """Return all optimisers on one problem."""
    return [tuned(problem, competitor, seeds, seed) for competitor in COMPETITORS]
