"""Gradient descent without a regulariser, from values that are smooth in depth or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch

from reproductions.deep_limits.problems import EULER, flow, problem, theta

_RATE = 0.3


@dataclass(frozen=True)
class Descents:
    """Trainings of networks of more and more layers for the same number of steps."""

    depths: tuple[int, ...]
    distances: tuple[float, ...]  # in L² between neighbours
    slopes: tuple[float, ...]  # the largest K ‖θ_{k+1} - θ_k‖

    @property
    def rate(self) -> float:
        """The p of distances ~ K^-p."""
        return -float(np.polyfit(np.log(self.depths[:-1]), np.log(self.distances), 1)[0])


def descents(depths: Sequence[int], *, steps: int, alike: bool, seed: int) -> Descents:
    """Train by gradient descent in L², θ_k <- θ_k - η K ∂E/∂θ_k: the same for every K."""
    found = [_trained(depth, steps, seed, alike=alike) for depth in depths]
    distances = [
        math.sqrt(float((b - a.repeat_interleave(len(b) // len(a), 0)).square().sum(1).mean()))
        for a, b in pairwise(found)
    ]
    slopes = [len(each) * float(each.diff(dim=0).norm(dim=1).max()) for each in found]
    return Descents(tuple(depths), tuple(distances), tuple(slopes))


def _trained(depth: int, steps: int, seed: int, *, alike: bool) -> torch.Tensor:
    drawn = seed if alike else seed + depth
    network = flow(EULER, depth, seed=drawn, alike=alike)
    given = replace(problem(EULER, None, seed=seed), flow=network)
    sgd = torch.optim.SGD(network.parameters(), lr=_RATE * depth)
    for _ in range(steps):
        sgd.zero_grad()
        given.objective().backward()
        sgd.step()
    return theta(network)
