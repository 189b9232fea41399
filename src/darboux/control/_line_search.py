"""Rules for the size of a step that goes down an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, NamedTuple, final

from darboux.structure._arguments import Positive, Within, checked

_Above1 = Annotated[float, Within("a finite number above 1", above=1)]
_Within01 = Annotated[float, Within("a number in (0, 1)", above=0, below=1)]


class Trial(NamedTuple):
    """A trial step d of size s = 1/L: how the smooth part F and all of E change with it."""

    size: float  # s
    change: float  # F(θ + d) - F(θ)
    change_of_all: float  # E(θ + d) - E(θ)
    slope: float  # ⟨∇F(θ), d⟩
    square: float  # ‖d‖²


class LineSearch(ABC):
    """Trial sizes of a step, until one is accepted."""

    @abstractmethod
    def first(self, last: float | None) -> float:
        """Return the first size to try, after the last one that was accepted, if there is one."""

    @abstractmethod
    def accepts(self, trial: Trial, rounding: float) -> bool:
        """Return whether a step goes down enough, up to the rounding of E."""

    @abstractmethod
    def shorter(self, size: float) -> float:
        """Return the size to try after one that was not accepted."""


@final
@checked
@dataclass(frozen=True)
class Backtracking(LineSearch):
    """Steps of size 1/L below a quadratic: F(θ + d) ≤ F(θ) + ⟨∇F(θ), d⟩ + (L/2)‖d‖².

    L grows until that holds, and is a little smaller for the next step.

    Source: Benning et al. 2019; Beck and Teboulle 2009.

    Args:
        start: the first L.
        growth: what L is multiplied with after a step that was not accepted.
        decay: what L is multiplied with after a step that was.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import darboux as dx
        >>> dx.control.Backtracking(start=4.0).first(None)
        0.25
    """

    start: Positive = 0.1
    growth: _Above1 = 1.5
    decay: _Within01 = 0.99

    def first(self, last: float | None) -> float:
        """Return 1/L."""
        return 1 / self.start if last is None else last / self.decay

    def accepts(self, trial: Trial, rounding: float) -> bool:
        """Return whether the quadratic lies above."""
        return trial.change <= trial.slope + trial.square / (2 * trial.size) + rounding

    def shorter(self, size: float) -> float:
        """Return 1/L for a larger L."""
        return size / self.growth


@final
@checked
@dataclass(frozen=True)
class Armijo(LineSearch):
    """Steps that go down by a fraction of what they promise: E(θ + d) ≤ E(θ) - c ‖d‖²/s.

    Without kinks d = -s ∇E: the decrease is c s ‖∇E‖².

    Source: Armijo 1966; Benning et al. 2019.

    Args:
        start: the first size s.
        most: the largest size.
        fraction: c.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import darboux as dx
        >>> search = dx.control.Armijo()
        >>> search.first(None), search.first(3.0), search.first(8.0), search.shorter(8.0)
        (0.1, 6.0, 10.0, 4.0)
    """

    start: Positive = 0.1
    most: Positive = 10.0
    fraction: _Within01 = 0.4

    def first(self, last: float | None) -> float:
        """Return s, twice as long as the last one."""
        return min(self.most, self.start if last is None else 2 * last)

    def accepts(self, trial: Trial, rounding: float) -> bool:
        """Return whether E decreases enough."""
        return trial.change_of_all <= rounding - self.fraction * trial.square / trial.size

    def shorter(self, size: float) -> float:
        """Return half of it."""
        return 0.5 * size
