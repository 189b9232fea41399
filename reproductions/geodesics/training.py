"""Trainings with weight decay or a price of kinetic energy, and what became of the tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from darboux.transport import kinetic_energy, tracks
from reproductions.geodesics.data import Task
from reproductions.geodesics.measures import Measured, measured
from reproductions.geodesics.networks import Row

_BATCH, _RATE = 64, 3e-3


@dataclass(frozen=True)
class Price:
    """What is added to the loss: decay/2 Σ‖W‖² + energy · (mean kinetic energy)."""

    decay: float = 0.0
    energy: float = 0.0


@dataclass(frozen=True)
class Trained:
    """A network after its training."""

    task: str
    kind: str
    depth: int
    price: Price
    accuracy: float  # on points that it has not seen
    before: Measured  # its tracks before training
    after: Measured
    states: Tensor  # (K+1, points, features)

    @property
    def learnt(self) -> bool:
        """Whether it names at least 60 % of the points: its tracks are of something."""
        return self.accuracy >= 0.6


def trained(
    task: Task, kind: str, depth: int, prices: Sequence[Price], *, runs: int, steps: int, seed: int
) -> list[Trained]:
    """Train `runs` networks for each price, from the same starts and on the same batches."""
    members = runs * len(prices)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        row = Row(kind, runs, task, depth)
        row.repeat(len(prices))
        before = _states(row, task, members)[:, :runs]
        batches = torch.randint(len(task.x), (steps, _BATCH))
        _train(row, task, prices, batches)
        after = _states(row, task, members)
        with torch.no_grad():
            right = row(_given(task.x_test, members)).argmax(dim=2) == task.y_test
        started = [measured(before[:, each]) for each in range(runs)]
        return [
            Trained(
                *(task.name, kind, depth, prices[each // runs], float(right[each].float().mean())),
                before=started[each % runs],
                after=measured(after[:, each]),
                states=after[:, each],
            )
            for each in range(members)
        ]


def _given(x: Tensor, members: int) -> Tensor:
    return x.expand(members, *x.shape)


@torch.no_grad()
def _states(row: Row, task: Task, members: int) -> Tensor:
    return tracks(row, row.blocks, _given(task.x_test, members))


def _train(row: Row, task: Task, prices: Sequence[Price], batches: Tensor) -> None:
    """Minimise the sum of the losses of all networks, which have no weight in common."""
    runs = len(row.head) // len(prices)
    decay, energy = (
        torch.tensor([value for value in values for _ in range(runs)])
        for values in ([p.decay for p in prices], [p.energy for p in prices])
    )
    optimizer = torch.optim.Adam(row.parameters(), lr=_RATE, foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=len(batches))
    for rows in batches:
        x, y = _given(task.x[rows], len(row.head)), task.y[rows].repeat(len(row.head))
        loss = (decay / 2 * row.squares()).sum()
        if energy.any():
            states = tracks(row, row.blocks, x)
            moved = kinetic_energy(states.flatten(1, 2)).reshape(len(energy), -1).mean(dim=1)
            loss, scores = loss + (energy * moved).sum(), torch.bmm(states[-1], row.head)
        else:
            scores = row(x)
        errors = functional.cross_entropy(scores.flatten(0, 1), y, reduction="sum")
        optimizer.zero_grad()
        (loss + errors / len(rows)).backward()
        optimizer.step()
        schedule.step()
