"""One run of a method along the times of `odeint`, and the checks of what came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from darboux.flow._odeint_arguments import Times
from darboux.flow._odeint_gradients import Course
from darboux.flow._user_field import between
from darboux.integrators import DiscreteGradient, Field, Integrator, StepSize
from darboux.integrators._adaptive import Adaptive
from darboux.integrators._outputs import along
from darboux.integrators._path import as_number
from darboux.integrators._step_control import Manner
from darboux.solvers._rows import mixing
from darboux.solvers._transforms import hidden, nesting

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
    course: Course | None
    manner: Manner

    def values(self, z: Tensor, jumps: Sequence[float], stops: Sequence[float]) -> Tensor:
        """Return the states at all times, of which z is the first, (len, *z.shape)."""
        found = [z]
        for piece in self._pieces(jumps, stops):
            later = piece._later(z)
            z = later[-1] if later else z
            found += later[:-1] if piece.manner.ends else later
        return torch.stack(found)

    def _pieces(self, jumps: Sequence[float], stops: Sequence[float]) -> list[Run]:
        """Return runs to each of the times where a step must end, and from there on."""
        if not (jumps or stops):
            return [self]
        parts = self.times.split((*jumps, *stops))
        return [self._piece(part, set(jumps), ends=part is not parts[-1]) for part in parts]

    def _piece(self, times: Times, jumps: set[float], *, ends: bool) -> Run:
        low, high = sorted((as_number(times.values[0]), as_number(times.values[-1])))
        bounds = (low if low in jumps else None, high if high in jumps else None)
        field, course = between(self.field, *bounds), self.course
        if course is not None:
            prepare = course.prepare
            course = replace(course, prepare=lambda: between(prepare(), *bounds))
        manner = replace(self.manner, ends=ends)
        return replace(self, field=field, times=times, course=course, manner=manner)

    def _later(self, z: Tensor) -> list[Tensor]:
        """Return the states at all times but the first."""
        start, *later = self.times.values
        if self.course is not None and later:
            return self._through(self.course, z)
        if isinstance(self.method, Adaptive) and later:
            offsets = [time - start for time in later]
            return self.method.solution(self.field, start, offsets, z, self.manner)
        return list(self._stepped(z))

    def _through(self, course: Course, z: Tensor) -> list[Tensor]:
        # eager, so that a compiler leaves it alone or refuses
        if isinstance(self.method, Adaptive):
            return hidden(course.adaptive)(self.field, self.times, z, self.manner)
        if self.manner.watch is not None:
            msg = (
                "odeint: expected no callbacks of f with fixed steps and a gradient that takes "
                "them again; got some. Use gradient='autograd', or a method that picks its steps."
            )
            raise ValueError(msg)
        return hidden(course.fixed)(self.times, self.step_size, z)

    def _stepped(self, z: Tensor) -> Iterator[Tensor]:
        # Two-step methods need equal steps: they begin anew where the step changes.
        method, times, watch, state = self.method, self.times, self.manner.watch, None
        before: StepSize | None = None
        taken, intervals = 0, len(times.values) - 1
        for k in range(intervals):
            for t, h in times.steps(k, self.step_size):
                restart = method.doubled and (before is None or not times.are_equal(h, before))
                if before is None or restart:
                    state = method.init(self.field, t, h, z)
                if watch is not None:
                    watch("step", t, z, h)
                state, before = method.step(self.field, t, h, state), h
                if watch is not None:
                    watch("accept_step", t, z, h)
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
