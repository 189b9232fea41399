"""Distances of motions, and the nearest neighbour."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from darboux.manifolds import SO, invariant_curve_distance
from reproductions.activity_recognition.data import INTERVAL, Motions

Distance = Callable[[Tensor, Tensor], Tensor]


def rotations(velocities: Tensor) -> Tensor:
    """Return R₀ = 1, R_{k+1} = R_k exp(h ω_k), (*batch, points, 3, 3), ω in the moving frame.

    Lie-Euler's method, which is exact where ω is constant between samples, with as many steps
    for each sample as keep them below 3/8 of a turn: logarithms are unique below half a one.
    """
    group = SO(3)
    turn = INTERVAL * velocities
    parts = max(1, math.ceil(float(turn.norm(dim=-1).max()) / (0.75 * math.pi)))
    steps = group.expm(group.hat(turn / parts)).repeat_interleave(parts, dim=-3)
    found = [group.identity(*velocities.shape[:-2], dtype=velocities.dtype)]
    for step in steps.unbind(-3):
        found.append(found[-1] @ step)
    return torch.stack(found, dim=-3)


def slower(velocities: Tensor) -> Tensor:
    """Return the same motion in twice the time, (*batch, 2 samples, 3)."""
    return velocities.repeat_interleave(2, dim=-2) / 2


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Return ‖x - y‖ of series, (*batch, samples, channels)."""
    return (x - y).flatten(-2).norm(dim=-1)


def warped(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance of dynamic time warping, √min Σ |x_i - y_j|² over monotone matchings.

    Source: Sakoe and Chiba 1978.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [1.0], [2.0]])
        >>> warped(x, torch.tensor([[0.0], [1.0], [2.0], [2.0]]))
        tensor(0.)
    """
    cost = (x[..., :, None, :] - y[..., None, :, :]).square().sum(-1)
    total = cost.new_full((*cost.shape[:-2], cost.shape[-2] + 1, cost.shape[-1] + 1), torch.inf)
    total[..., 0, 0] = 0
    rows, columns = cost.shape[-2:]
    for k in range(rows + columns - 1):  # along the antidiagonals i + j = k
        i = torch.arange(max(0, k - columns + 1), min(k, rows - 1) + 1)
        j = k - i
        before = torch.stack([total[..., i, j], total[..., i, j + 1], total[..., i + 1, j]])
        total[..., i + 1, j + 1] = cost[..., i, j] + before.amin(0)
    return total[..., -1, -1].sqrt()


def invariant(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance of curves in SO(3) with the infimum over parametrisations.

    It is that of the inverses R⁻¹: their steps are turns in the frame of the watch, so nobody
    need know which way the watch pointed at the beginning.
    """
    return invariant_curve_distance(SO(3), x.mT, y.mT)


@torch.no_grad()
def distances(distance: Distance, one: Tensor, other: Tensor) -> Tensor:
    """Return all distances, (len(one), len(other))."""
    return torch.stack([distance(x.expand_as(other), other) for x in one])


def right(table: Tensor, training: Motions, judged: Motions) -> Tensor:
    """Return which motions the nearest neighbour names, (judged,), bool."""
    return training.classes[table.argmin(dim=1)] == judged.classes
