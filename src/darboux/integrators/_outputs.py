"""States at given places of a walk of steps, whose sizes are those of each sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import Tensor

_WIDTH = 4 * float(np.finfo(np.float64).eps)  # of the part of a step to which a place is found

Slope = Callable[[Tensor, Tensor], Tensor]

Between = Callable[[Tensor], Tensor]
"""Maps the fraction of each step, (batch,), to the states there."""


@dataclass(frozen=True)
class Passing:
    """A place that steps pass: its number, and the fraction of the step of each sample."""

    place: int
    parts: NDArray[np.float64]
    samples: NDArray[np.bool_]  # that pass it

    def part(self, device: torch.device) -> Tensor:
        """Return the fractions as a tensor."""
        return torch.from_numpy(self.parts).to(device)


class Stops(ABC):
    """Places of a walk, fractions of its duration in (0, 1], and the states there."""

    over = False  # whether the walk need not go on
    places: Sequence[float]
    values: list[Tensor | None]

    def found(self) -> list[Tensor]:
        """Return the states, once the walk is over."""
        return [value for value in self.values if value is not None]

    @abstractmethod
    def collect(
        self,
        between: Between,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        device: torch.device,
    ) -> None:
        """Interpolate where the steps from `start` to `end`, (batch,), pass a place."""


@final
class Outputs(Stops):
    """States at given places."""

    def __init__(self, places: Sequence[float]) -> None:
        super().__init__()
        self.places = places
        self.values = [None] * len(places)

    def collect(
        self,
        between: Between,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        device: torch.device,
    ) -> None:
        """Interpolate where the steps from `start` to `end`, (batch,), pass a place."""
        for passing in self.passed(start, end):
            self.put(passing, between(passing.part(device)))

    def passed(self, start: NDArray[np.float64], end: NDArray[np.float64]) -> list[Passing]:
        """Return which places the steps from `start` to `end`, (batch,), pass."""
        if not self.places:
            return []
        last = bisect_right(self.places, end.max())
        found = []
        for k in range(bisect_right(self.places, start.min()), last):
            passed = (start < self.places[k]) & (self.places[k] <= end)
            parts = (self.places[k] - start) / np.where(passed, end - start, 1.0)
            found.append(Passing(k, parts, passed))
        return found

    def put(self, passing: Passing, value: Tensor) -> None:
        """Take the states at a place, of the samples that pass it."""
        before = self.values[passing.place]
        if before is not None and not passing.samples.all():
            rows = torch.from_numpy(passing.samples).to(value.device)
            value = torch.where(rows.reshape(-1, *(1,) * (value.ndim - 1)), value, before)
        self.values[passing.place] = value


@final
class Crossing(Stops):
    """The first place where a function of place and state falls to 0, of one sample; else the end.

    It is looked at where steps end.
    """

    def __init__(self, height: Callable[[float, Tensor], float]) -> None:
        super().__init__()
        self.height = height
        self.fall: float | None = None  # mean slope in the step of the crossing, if there is one
        self.places = [1.0]
        self.values = [None]

    def collect(
        self,
        between: Between,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        device: torch.device,
    ) -> None:
        """Look whether the function falls to 0 in a step."""
        begin, length = float(start[0]), float(end[0] - start[0])
        if self.over or length == 0:
            return

        def state(part: float) -> Tensor:
            return between(torch.tensor([part], dtype=torch.float64, device=device))

        def height(part: float) -> float:
            return self.height(begin + part * length, state(part))

        part = 1.0
        if (last := height(part)) <= 0:
            self.fall, self.over = (height(0.0) - last) / length, True
            part = falling(height, 1.0)
        self.places, self.values = [begin + part * length], [state(part)]


def falling(height: Callable[[float], float], end: float) -> float:
    """Return where a function falls to 0 between 0 and an end, or jumps to it or below."""
    first = height(0.0)
    if first <= 0:  # by rounding
        return 0.0
    if height(end) > 0:
        return end

    def sided(place: float) -> float:
        return height(place) or -first  # 0 is the other side, where a jump may have led

    return float(brentq(sided, 0.0, end, xtol=_WIDTH * abs(end), rtol=_WIDTH, maxiter=1000))


def along(values: Tensor, z: Tensor) -> Tensor:
    """Return values of samples, shaped to broadcast against z, in its dtype, or its real one."""
    return values.to(z.dtype.to_real()).reshape(-1, *(1,) * (z.ndim - 1))
