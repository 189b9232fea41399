"""Events: where a function of time and state falls to 0, and the derivatives of when it does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from darboux.flow._odeint_arguments import Times
from darboux.flow._odeint_run import Run
from darboux.flow._options import Options
from darboux.flow._state_form import State, StateForm
from darboux.integrators import Integrator, StepSize, Time
from darboux.integrators._adaptive import Adaptive
from darboux.integrators._outputs import falling
from darboux.integrators._path import Path, as_number
from darboux.solvers._transforms import is_differentiated, is_mapped, is_plain, pullback
from darboux.structure._arguments import shown

_DOUBLINGS = 12  # of the duration: 4095 times the first one

_STEPS = 20_000  # of fixed size

_MISSED = (
    "odeint: expected event_fn to change its sign; got none up to t = {t:.6g}, by {method!r}. Look "
    "at its sign at y0, and at the direction of time; signs are compared at the ends of steps, "
    "which {shorter} makes shorter."
)


@dataclass(frozen=True)
class Event:
    """The functions g_i(t, y) of an event, with the signs that make them positive at first."""

    function: Callable[[Any, Any], Tensor]
    form: StateForm
    like: State
    signs: Tensor

    @staticmethod
    def of(function: Any, form: StateForm, like: State, t: Time, z: Tensor) -> Event:
        """Return the event of a function, at whose start g_i has the sign that it loses."""
        event = Event(function, form, like, torch.ones(1))
        return replace(event, signs=event.heights(t, z).detach().sign())

    def heights(self, t: Time, z: Tensor) -> Tensor:
        """Return the g_i, (components,)."""
        dtype = z.dtype.to_real()
        time = torch.as_tensor(t, dtype=dtype, device=z.device)
        found = self.function(time, self.form.state(z, self.like))
        real = isinstance(found, Tensor) and found.is_floating_point() and found.numel() > 0
        if not real or not bool(found.detach().isfinite().all()):
            msg = (
                "odeint: expected event_fn(t, y) to return a tensor of finite real numbers; got "
                f"{shown(found)} at t = {as_number(t):.6g}. Return what is 0 at the event."
            )
            raise ValueError(msg)
        return found.reshape(-1)

    def height(self, t: Time, z: Tensor) -> float:
        """Return the least of them, positive before the event."""
        with torch.no_grad():
            return as_number((self.signs * self.heights(t, z.detach())).min())

    def first(self, t: Time, z: Tensor) -> Callable[[Time, Tensor], Tensor]:
        """Return the one g_i that is 0, of those at a time and a state."""
        k = int((self.signs * self.heights(t, z).detach()).argmin())
        return lambda t, z: self.heights(t, z)[k]


@dataclass(frozen=True)
class Reached:
    """An event s after the time t, within a step from there, and the way to it."""

    t: Time
    s: float
    z: Tensor
    way: Callable[[Tensor], Tensor]  # s -> the state
    fall: float  # mean slope of the event within the step

    def found(self, event: Event, tolerance: float) -> tuple[Time, Tensor]:
        """Return the time and the state, with derivatives of first and second order."""
        g = event.first(self.t + self.s, self.z)
        value = g(self.t + self.s, self.z)
        if not any(map(is_differentiated, (value, self.z, self.t))):
            return self.t + self.s, self.z

        def height(s: Tensor) -> Tensor:
            return g(self.t + s, self.way(s))

        s = torch.tensor(self.s, dtype=torch.float64, device=self.z.device)
        with torch.enable_grad():
            rate = pullback(height, s)(torch.ones_like(value)).detach()
        # An error ε of g moves g' by ε g''/g', where g'' is like (mean slope)/h and ε like
        # tolerance h (mean slope): a tenth of g' where the ratio of slopes is √(10 tolerance).
        if abs(float(rate)) <= math.sqrt(10 * tolerance) * abs(self.fall):
            return self._without_derivatives(value, float(rate))
        # As Φ(s) = s - g(s)/g'(s*) has no slope at s*, two steps give two orders of derivatives
        # of the root, by the implicit function theorem.
        for _ in range(2):
            s = s - (height(s) / rate).to(torch.float64)
        return self.t + s, self.way(s)

    def _without_derivatives(self, value: Tensor, rate: float) -> tuple[Time, Tensor]:
        """Return the time and the state, which refuse to be differentiated."""
        msg = (
            f"odeint: expected event_fn to pass 0 with a slope, for gradients; got {rate:.3g} at "
            f"t = {as_number(self.t) + self.s:.6g}, a grazing event, whose time jumps or has no "
            "derivative there. Detach the event, or use torch.no_grad()."
        )

        def refuse(gradient: Tensor) -> None:
            if bool(gradient.any()):  # what is not used asks for zeros
                raise ValueError(msg)

        if not is_plain():
            raise ValueError(msg)
        link = 0 * value + self.z.reshape(-1)[:0].abs().sum()
        time, z = self.t + self.s + link.to(torch.float64), self.z + link
        for found in (time, z):
            found.register_hook(refuse)
        return time, z


def until(run: Run, event: Event, z: Tensor) -> tuple[Time, Tensor]:
    """Return the time of an event, and the states at the start and there, (2, *z.shape)."""
    rounding = 64 * torch.finfo(z.dtype).eps
    tolerance = max(run.method.rtol, rounding) if isinstance(run.method, Adaptive) else rounding
    time, after = _reached(run, event, z).found(event, tolerance)
    values = torch.stack([z, after])
    passed = replace(run, times=Times((run.times.values[0], time)))
    passed.check_values(values.detach(), per_sample=False)
    return time, values


def _reached(run: Run, event: Event, z: Tensor) -> Reached:
    """Return where a run meets an event, from the first time in the direction of the second."""
    t, end = run.times.values
    duration = as_number(end) - as_number(t)
    if event.height(t, z) <= 0:  # there already
        shifted = partial(_shifted, Path(run.field, t, 0.0), 0.0, z)
        by_step = not isinstance(run.method, Adaptive)
        return Reached(t, 0.0, z, partial(_stepped, run, t, z) if by_step else shifted, 0.0)
    if isinstance(run.method, Adaptive):
        return _by_windows(run, run.method, event, z, t, duration)
    return _by_steps(run, event, z, t, math.copysign(run.step_size or 0.0, duration))


def _by_windows(
    run: Run, method: Adaptive, event: Event, z: Tensor, t: Time, duration: float
) -> Reached:
    """Return the event by a method that picks its steps, in ever longer pieces."""
    manner, course = replace(run.manner, ends=True), run.course
    recording = None if course is None else course.recording
    for _ in range(_DOUBLINGS):
        height = partial(_height, event, t)
        s, after, fall = method.until(run.field, t, duration, z, height, manner, recording)
        if fall is not None:
            way = partial(_shifted, Path(run.field, t, duration), s, after)
            return Reached(t, s, after, way, fall)
        t, z, duration = t + duration, after, 2 * duration
    raise _missed(t, method, "options={'max_step': ...}")


def _by_steps(run: Run, event: Event, z: Tensor, start: Time, h: float) -> Reached:
    """Return the event by a method with fixed steps, the last of which is cut short."""
    method, watch, state = run.method, run.manner.watch, None
    first, z = z, z if run.course is None else z.detach()
    for k in range(_STEPS):
        t = start + k * h
        if state is None:
            state = method.init(run.field, t, h, z)
        if watch is not None:
            watch("step", t, z, h)
        state = method.step(run.field, t, h, state)
        if watch is not None:
            watch("accept_step", t, z, h)
        if (last := event.height(t + h, method.value(state))) <= 0:
            if run.course is not None:  # the way there again, with its graph
                again = Times((start, t))
                z = run.course.fixed(again, run.step_size, first)[-1] if k > 0 else first
            return _cut(run, event, t, z, h, last)
        z = method.value(state)
    raise _missed(start + _STEPS * h, method, "step_size")


def _cut(run: Run, event: Event, t: Time, z: Tensor, h: float, last: float) -> Reached:
    """Return the event within a step, of which so much is taken; `last` is its height after all."""
    way = partial(_stepped, run, t, z)
    with torch.no_grad():
        s = falling(lambda s: event.height(t + s, way(s)), h)
    return Reached(t, s, way(s), way, (event.height(t, z) - last) / h)


def as_time(time: Time, like: object) -> Tensor:
    """Return the time of an event as a tensor like those of t."""
    like = like if isinstance(like, Tensor) and like.is_floating_point() else None
    dtype = torch.float64 if like is None else like.dtype
    return torch.as_tensor(time, dtype=dtype, device=None if like is None else like.device)


def _height(event: Event, t: Time, s: float, z: Tensor) -> float:
    return event.height(t + s, z)


def _shifted(path: Path, offset: float, z: Tensor, s: Tensor) -> Tensor:
    return path.shifted(offset, s - offset, z)


def _stepped(run: Run, t: Time, z: Tensor, s: StepSize) -> Tensor:
    state = run.method.init(run.field, t, s, z)
    return run.method.value(run.method.step(run.field, t, s, state))


def _missed(t: Time, method: Integrator, shorter: str) -> ValueError:
    return ValueError(_MISSED.format(t=as_number(t), method=method, shorter=shorter))


def require_event(run: Run, options: Options, *, per_sample: bool, is_chosen: bool) -> None:
    """Refuse what an event does not go with."""
    if torch.compiler.is_compiling() or is_mapped():
        what, instead = "a compiled graph or torch.func.vmap", "Solve outside of it"
    elif per_sample:
        what, instead = "per_sample=True", "Each sample has an event of its own: solve for each"
    elif is_chosen:
        what, instead = "adjoint_params", "Leave it out: all that f depends on is found"
    elif run.course is not None and run.course.way.gradient == "continuous":
        what, instead = "gradient='continuous'", "Use gradient='adjoint'"
    elif options.jumps or options.stops or options.grid:
        what, instead = (
            "jump_t, step_t or grid_constructor",
            "Solve from each such time to the next",
        )
    elif run.step_size is None and not isinstance(run.method, Adaptive):
        msg = (
            f"odeint: expected step_size with event_fn and {run.method!r}, whose steps are fixed; "
            "got none. Write step_size=0.01, or use 'dopri5'."
        )
        raise ValueError(msg)
    elif len(run.times.values) != 2 or run.times.values[0] == run.times.values[1]:
        msg = (
            "odeint: expected two different times with event_fn: where to begin, and in which "
            f"direction; got {len(run.times.values)} of them. Use [t0, t0 + 1]."
        )
        raise ValueError(msg)
    else:
        return
    raise ValueError(f"odeint: expected event_fn without {what}. {instead}.")
