"""One run of a method along the times of `odeint`, and the checks of what came out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from darboux.flow._odeint_arguments import Times
from darboux.integrators import DiscreteGradient, Field, Integrator, StepSize
from darboux.integrators._adaptive import Adaptive
from darboux.integrators._outputs import along
from darboux.solvers._rows import mixing
from darboux.solvers._transforms import nesting

_LOOK = 16  # steps between two looks at the values: one each would cost more than the step


def _is_seen() -> bool:
    """Return whether values can be looked at."""
    return not (torch.compiler.is_compiling() or nesting() > 0)


@dataclass(frozen=True)
class Run:
    """A method with what it steps, and how far."""

    method: Integrator
    field: Field
    times: Times
    step_size: float | None

    def values(self, z: Tensor, sizes: tuple[int, ...]) -> Tensor:
        """Return the states at all times, of which z is the first, (len, *z.shape)."""
        start, *later = self.times.values
        if isinstance(self.method, Adaptive) and later:
            offsets = [time - start for time in later]
            found = self.method.solution(self.field, start, offsets, z, sizes=sizes)
            return torch.stack([z, *found])
        return torch.stack([z, *self._stepped(z)])

    def _stepped(self, z: Tensor) -> Iterator[Tensor]:
        # Two-step methods need equal steps: they begin anew where the step changes.
        method, times, state = self.method, self.times, None
        before: StepSize | None = None
        taken, intervals = 0, len(times.values) - 1
        for k in range(intervals):
            for t, h in times.steps(k, self.step_size):
                restart = method.doubled and (before is None or not times.are_equal(h, before))
                if before is None or restart:
                    state = method.init(self.field, t, h, z)
                state, before = method.step(self.field, t, h, state), h
                z = method.value(state)
                taken += 1
                if taken % _LOOK == 0 and _is_seen() and not bool(z.isfinite().all()):
                    yield from [z] * (intervals - k)  # `check_values` says so
                    return
            yield z

    def check_values(self, values: Tensor, *, per_sample: bool) -> None:
        """Refuse values that are not finite, where values can be looked at."""
        if not _is_seen() or bool(values.isfinite().all()):
            return
        k, row, *_ = (~values.isfinite()).unsqueeze(-1).nonzero()[0].tolist()
        what = "y0" if k == 0 else f"the solution at t[{k}] = {float(self.times.values[k]):g}"
        where = f", in sample {row} of {values.shape[1]}" if per_sample else ""
        msg = (
            f"odeint: expected finite values; got infinite or nan ones in {what}{where}, by "
            f"{self.method!r}. Use smaller steps (step_size), or 'dopri5'."
        )
        raise ValueError(msg)

    def check_rows(self, k: int, z: Tensor, *, per_sample: bool) -> None:
        """Refuse a field that mixes rows at t_k where they must be independent samples."""
        if per_sample:
            why = mixing(lambda z: self._slope(k, z), z)
            hint = "Leave per_sample out: y is one system then"
        elif self._solves_for_rows() and len(self.times.values) > 1:
            why = mixing(self._step, z)
            hint = (
                "Such methods solve for each row alone: use 'implicit_midpoint' or 'radau', which "
                "take y as one system"
            )
        else:
            return
        if why is not None:
            msg = (
                f"odeint: expected rows of y that do not see each other, by {self.method!r}; got a "
                f"field f(t, y) that mixes them at t[{k}]: {why}. {hint}."
            )
            raise ValueError(msg)

    def _slope(self, k: int, z: Tensor) -> Tensor:
        time = self.times.values[k]
        if isinstance(self.method, Adaptive):
            time = along(time + z.new_zeros(len(z), dtype=torch.float64), z)
        return self.field(time, z)

    def _solves_for_rows(self) -> bool:
        """Return whether each row has an equation of its own, in a form that is no single row."""
        implicit = self.method.shears is not None and not getattr(self.field, "separable", False)
        return implicit or isinstance(self.method, DiscreteGradient)

    def _step(self, z: Tensor) -> Tensor:
        t, h = next(self.times.steps(0, self.step_size))
        state: Any = self.method.init(self.field, t, h, z)
        return self.method.value(self.method.step(self.field, t, h, state))
