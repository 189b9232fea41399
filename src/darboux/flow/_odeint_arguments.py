"""The times of `odeint`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from darboux.integrators import Integrator, StepSize, Time
from darboux.integrators._adaptive import Adaptive
from darboux.integrators._step_control import RESOLUTION
from darboux.solvers._transforms import is_differentiated
from darboux.structure._arguments import shown

_ROUNDING = 16 * torch.finfo(torch.float32).eps  # up to which steps count as equal

_UNRESOLVED = (
    "odeint: expected steps that change t in the dtype of y, in which f gets it; got a step of "
    "{h:.3g} at t = {t:.6g} in {dtype}. Use y0.double(), or count time from the first one."
)

_COMPILED = (
    "odeint: expected times as a list of numbers in a compiled graph with {what}; got a tensor, "
    "whose values are not known there. Use t.tolist() outside of it."
)


@dataclass(frozen=True)
class Times:
    """Monotone times t_0, ..., t_n, in float64."""

    # They are numbers, or 0-dimensional tensors where their values are not known, in a compiled
    # graph, or where derivatives by them may be asked for.

    values: tuple[Time, ...]

    @staticmethod
    def of(t: Tensor | Sequence[float]) -> Times:
        """Return the times of a tensor, or of a list of numbers."""
        if not isinstance(t, Tensor):
            values = _numbers(t)
            _check(values)
            return Times(values)
        if t.ndim != 1 or t.is_complex():
            raise _no_times(t, ValueError)
        if torch.compiler.is_compiling():
            return Times(tuple(t.to(torch.float64).unbind()))
        numbers = tuple(map(float, t.detach().unbind()))
        _check(numbers)
        return Times(tuple(t.to(torch.float64).unbind()) if is_differentiated(t) else numbers)

    def split(self, breaks: Iterable[float]) -> list[Times]:
        """Return the times up to each break between the first and the last time, and the rest.

        A break is the last time of what it ends, and the first one of what it begins.
        """
        numbers = [_number(value, "jump_t") for value in self.values]
        sign = 1 if numbers[-1] >= numbers[0] else -1
        inside = {b for b in breaks if sign * numbers[0] < sign * b < sign * numbers[-1]}
        parts, start, rest = [], self.values[0], 1
        for end in sorted(inside, key=lambda b: sign * b):
            last = sum(sign * number <= sign * end for number in numbers)
            parts.append(Times((start, *self.values[rest:last], end)))
            start, rest = end, last
        return [*parts, Times((start, *self.values[rest:]))]

    def steps(self, k: int, longest: float | None) -> Iterator[tuple[Time, StepSize]]:
        """Yield (t, h) of the steps from t_k to t_{k+1}, equal ones of at most a given length."""
        start, duration = self.values[k], self.values[k + 1] - self.values[k]
        if not isinstance(duration, Tensor) and duration == 0:
            return
        count = 1 if longest is None else self._count(duration, longest)
        for j in range(count):
            yield start + (j / count) * duration, duration / count

    def check_resolution(
        self, dtype: torch.dtype, method: Integrator, longest: float | None
    ) -> None:
        """Refuse steps that t cannot follow in the dtype in which f gets it."""
        if torch.compiler.is_compiling():
            return
        # adaptive methods look after their steps; the way may not be shorter than one of them
        every = len(self.values) - 1 if isinstance(method, Adaptive) else 1
        times = [_number(time, "") for time in self.values[:: max(every, 1)]]
        unit = RESOLUTION * torch.finfo(dtype).eps
        for start, end in pairwise(times):
            h = end - start
            if longest is not None and abs(h) > longest:
                h /= self._count(h, longest)
            if 0 < abs(h) < unit * max(abs(start), abs(end)):
                raise ValueError(_UNRESOLVED.format(h=h, t=start, dtype=dtype))

    def are_equal(self, h: StepSize, other: StepSize) -> bool:
        """Return whether two steps are equal up to the rounding of times in float32."""
        largest = max(abs(_number(time, "a two-step method")) for time in self.values)
        difference = abs(_number(h, "") - _number(other, ""))
        return difference <= _ROUNDING * largest

    def _count(self, duration: StepSize, longest: float) -> int:
        length = abs(_number(duration, "step_size"))
        # a quotient that is an integer up to rounding is that integer
        return max(1, math.ceil(length / longest * (1 - _ROUNDING)))


def _no_times(t: object, error: type[Exception]) -> Exception:
    return error(
        "odeint: expected times t, real numbers on one axis, the first of them that of y0; got "
        f"{shown(t)}. Use [0.0, 1.0], or torch.linspace(0.0, 1.0, 11)."
    )


def _numbers(t: Sequence[float]) -> tuple[float, ...]:
    if getattr(t, "ndim", 1) != 1:  # of NumPy
        raise _no_times(t, ValueError)
    try:
        return tuple(map(float, t))
    except (TypeError, ValueError):
        raise _no_times(t, TypeError) from None


def _number(value: Time, what: str) -> float:
    if not isinstance(value, Tensor):
        return value
    if torch.compiler.is_compiling():
        raise RuntimeError(_COMPILED.format(what=what))
    return float(value.detach())


def _check(values: tuple[float, ...]) -> None:
    steps = [end - start for start, end in pairwise(values)]
    finite = len(values) > 0 and all(map(math.isfinite, values))
    if not finite or not (min(steps, default=0.0) >= 0 or max(steps, default=0.0) <= 0):
        shown = ", ".join(f"{value:g}" for value in values[:6])
        msg = (
            "odeint: expected finite times t that never decrease, or never increase, the first of "
            f"them that of y0; got [{shown}{', ...' if len(values) > 6 else ''}]. Sort them."
        )
        raise ValueError(msg)
