"""States at given places of a walk of steps, whose sizes are those of each sample."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Slope = Callable[[Tensor, Tensor], Tensor]


class Outputs:
    """States at given places of a walk, fractions of its duration in (0, 1]."""

    def __init__(self, places: Sequence[float]) -> None:
        super().__init__()
        self.places = places
        self.values: list[Tensor | None] = [None] * len(places)

    def found(self) -> list[Tensor]:
        """Return the states, once the walk is over."""
        return [value for value in self.values if value is not None]

    def collect(
        self,
        between: Callable[[Tensor], Tensor],
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        device: torch.device,
    ) -> None:
        """Interpolate where the steps from `start` to `end`, (batch,), pass a place.

        `between` maps the fraction of each step, (batch,), to the states there.
        """
        if not self.places:
            return
        last = bisect_right(self.places, end.max())
        for k in range(bisect_right(self.places, start.min()), last):
            passed = (start < self.places[k]) & (self.places[k] <= end)
            part = (self.places[k] - start) / np.where(passed, end - start, 1.0)
            value = between(torch.from_numpy(part).to(device))
            before = self.values[k]
            if before is not None and not passed.all():
                rows = torch.from_numpy(passed).to(device).reshape(-1, *(1,) * (value.ndim - 1))
                value = torch.where(rows, value, before)
            self.values[k] = value


def along(values: Tensor, z: Tensor) -> Tensor:
    """Return values of samples, shaped to broadcast against z, in its dtype, or its real one."""
    return values.to(z.dtype.to_real()).reshape(-1, *(1,) * (z.ndim - 1))
