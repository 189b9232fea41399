"""Simplified Newton iterations for the stages of Radau IIA, each sample until it is solved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from darboux.integrators._outputs import Slope
from darboux.integrators._radau_stages import Inverses, Stages, correction
from darboux.integrators._step_control import Tolerance
from darboux.solvers._convergence import Mask, Numbers, choose

ITERATIONS = 6


class Solved(NamedTuple):
    """Where Newton's iteration stands."""

    increments: Tensor
    means: Tensor
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
        self, field: Slope, span: tuple[Tensor, Tensor], z: Tensor, guess: Tensor, running: Mask
    ) -> Solved:
        """Return the increments of the stages of steps (t, h) from z, for those that run."""
        # An iteration ends where the rate at which corrections fall promises that what is left
        # is small beside the tolerance, and where it promises that this does not come in time.
        times, limit, means = self._times(*span, z), self._limit(guess), guess
        start = torch.cat([flat(z).to(guess.dtype)] * 3, dim=1)
        size = span[1].to(start.dtype).unsqueeze(1)
        scale = self.tolerance.scale(start) / size
        found, iterations = ~running, np.zeros(len(running))
        rate = before = iterations
        for k in range(1, ITERATIONS + 1):
            states = torch.addcmul(start, means, size).to(z.dtype).chunk(3, dim=1)
            pairs = zip(times, states, strict=True)
            slopes = [flat(field(time, shaped(state, z))) for time, state in pairs]
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

    def _times(self, t: Tensor, h: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Return the times of the stages, each shaped to broadcast against z."""
        times = (t + self.stages.nodes * h).to(z.dtype)
        return times.reshape(3, -1, *(1,) * (z.ndim - 1)).unbind()

    def _limit(self, z: Tensor) -> float:
        """Return how small beside the tolerance what is left of the iteration must be."""
        rtol = self.tolerance.relative(z.dtype)
        return max(10 * torch.finfo(z.dtype).eps / rtol, min(0.03, rtol**0.5))


def shaped(rows: Tensor, z: Tensor) -> Tensor:
    """Return (batch, n) in the shape of z."""
    return rows if z.ndim == 2 else rows.reshape(z.shape)


def flat(z: Tensor) -> Tensor:
    """Return z as (batch, n)."""
    return z if z.ndim == 2 else z.reshape(z.shape[0], -1)
