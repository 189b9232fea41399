"""Simplified Newton iterations for the stages of Radau IIA, each sample until it is solved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from darboux.integrators._outputs import Slope
from darboux.integrators._radau_stages import Array, Inverses, Stages, beside, correction
from darboux.integrators._step_control import Tolerance
from darboux.solvers._convergence import Mask, Numbers, choose

ITERATIONS = 6


class Solved(NamedTuple):
    """Where Newton's iteration stands."""

    increments: Array
    means: Array
    found: Mask
    rate: Numbers
    iterations: Numbers
    lost: Mask  # f was not finite


@dataclass(frozen=True)
class Newton:
    """The iterations of one try."""

    tolerance: Tolerance
    stages: Stages
    inverses: Inverses

    def solved(
        self, field: Slope, span: tuple[Tensor, Tensor], z: Tensor, guess: Array, running: Mask
    ) -> Solved:
        """Return the increments of the stages of steps (t, h) from z, for those that run."""
        # An iteration ends where the rate at which corrections fall promises that what is left
        # is small beside the tolerance, and where it promises that this does not come in time.
        times, limit, means = self._times(*span, z), self._limit(), guess
        start, size = self.stages.array(flat(z)), self.stages.array(span[1])[:, None]
        scale = (self.tolerance.atol + self._rtol * abs(start)) / size
        start, scale = beside([start] * 3), beside([scale] * 3)
        found, iterations = ~running, np.zeros(len(running))
        rate = before = iterations
        for k in range(1, ITERATIONS + 1):
            slopes = self._slopes(field, times, start + means * size, z)
            move = correction(self.inverses, means, slopes)
            left = self.tolerance.size(move / scale)
            running = running & (left < np.inf)
            close = left == 0
            if k > 1:
                rate = np.where(running, left / before, rate)
                rest = rate / (1 - rate) * left
                close |= rest < limit
                running = running & (rate < 1) & (rate ** (ITERATIONS - k) * rest <= rate * limit)
            means = choose(running, means + move, means)
            iterations, before = iterations + running, left
            found, running = found | (running & close), running & ~close
            if not running.any():
                break
        return Solved(size * means, means, found, rate, iterations, before == np.inf)

    def _slopes(
        self, field: Slope, times: tuple[Tensor, ...], states: Array, z: Tensor
    ) -> list[Array]:
        """Return f at the states of the stages, (batch, 3n)."""
        parts = torch.as_tensor(states).to(z.dtype).chunk(3, dim=1)
        pairs = zip(times, parts, strict=True)
        return [self.stages.array(flat(field(time, shaped(part, z)))) for time, part in pairs]

    def _times(self, t: Tensor, h: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Return the times of the stages, each shaped to broadcast against z."""
        times = (t + self.stages.nodes * h).to(z.dtype)
        return times.reshape(3, -1, *(1,) * (z.ndim - 1)).unbind()

    def _limit(self) -> float:
        """Return how small beside the tolerance what is left of the iteration must be."""
        return max(10 * torch.finfo(self.stages.dtype).eps / self._rtol, min(0.03, self._rtol**0.5))

    @property
    def _rtol(self) -> float:
        return self.tolerance.relative(self.stages.dtype)


def shaped(rows: Tensor, z: Tensor) -> Tensor:
    """Return (batch, n) in the shape of z."""
    return rows if z.ndim == 2 else rows.reshape(z.shape)


def flat(z: Tensor) -> Tensor:
    """Return z as (batch, n)."""
    return z if z.ndim == 2 else z.reshape(z.shape[0], -1)
