"""The learning rate of every step."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class OneCycle:
    """A linear rise from 0 to the peak, then half a cosine down to 0.

    A pure function of the step, so that a resumed run needs no state for it.

    Args:
        peak: highest learning rate.
        steps: number of steps in all.
        warmup: share of the steps in which it rises, in [0, 1).

    Raises:
        ValueError: if a number lies outside of its range.

    Example:
        >>> cycle = OneCycle(peak=1.0, steps=100, warmup=0.1)
        >>> [round(cycle.at(step), 3) for step in (0, 9, 10, 55, 99)]
        [0.1, 1.0, 1.0, 0.5, 0.0]
    """

    peak: float
    steps: int
    warmup: float = 0.1

    def __post_init__(self) -> None:
        if not (0 < self.peak < math.inf and self.steps >= 1 and 0 <= self.warmup < 1):
            raise ValueError(
                "Expected a finite peak > 0, steps >= 1 and 0 <= warmup < 1; got "
                f"peak={self.peak}, steps={self.steps}, warmup={self.warmup}."
            )

    def at(self, step: int) -> float:
        """Return the learning rate of step 0 <= step < steps."""
        rise = max(1, round(self.warmup * self.steps))
        if step < rise:
            return self.peak * (step + 1) / rise
        past = (step - rise) / max(1, self.steps - rise)
        return self.peak * (1 + math.cos(math.pi * past)) / 2
