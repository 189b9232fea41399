"""The `options` of torchdiffeq: what they stand for here, or what to write instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from darboux.flow._method_names import Longest, check_step_size
from darboux.flow._state_form import State, StateForm
from darboux.integrators import Integrator
from darboux.integrators._adaptive import Adaptive
from darboux.structure._arguments import checked, shown

_SETTINGS = {  # of methods that pick their steps, as their constructors call them
    "dfactor": "shrink",
    "first_step": "first_step",
    "ifactor": "grow",
    "max_num_steps": "max_steps",
    "max_step": "max_step",
    "min_step": "min_step",
    "safety": "safety",
}

_INSTEAD = {
    "eps": "write options={'jump_t': ...}: f is then asked just before and after a jump",
    "grid_points": "write options={'jump_t': ...}",
    "interp": "leave it out: steps end at the times t, and nothing is interpolated",
    "max_iters": "use method=ImplicitRungeKutta(tableau, max_iter=...)",
    "max_order": "use method='dopri5' or 'rk4': there are no Adams methods",
    "perturb": "write options={'jump_t': ...}: f is then asked just before and after a jump",
    "solver": "call scipy.integrate.solve_ivp",
}

_KNOWN = (*_SETTINGS, "dtype", "grid_constructor", "jump_t", "norm", "step_size", "step_t")


@dataclass(frozen=True)
class Options:
    """What options make of a method and its steps."""

    method: Integrator
    step_size: float | None = None
    jumps: tuple[float, ...] = ()  # where f may jump
    stops: tuple[float, ...] = ()  # where a step must end
    norm: Callable[[Any], Tensor] | None = None
    grid: Callable[[Any, Any, Tensor], Tensor] | None = None

    @staticmethod
    def of(
        options: Mapping[str, Any] | None,
        method: Integrator,
        step_size: float | None,
        *,
        is_named: bool,
    ) -> Options:
        """Return what options mean for a method, or refuse them by name."""
        options = dict(options or {})
        for name in options:
            _check_name(name, options[name], method)
        settings = {_SETTINGS[name]: options[name] for name in options if name in _SETTINGS}
        found = Options(
            _set(method, settings, is_named=is_named),
            options.get("step_size", step_size),
            _times("jump_t", options.get("jump_t")),
            _times("step_t", options.get("step_t")),
            options.get("norm"),
            options.get("grid_constructor"),
        )
        found._check(step_size)
        return found

    def _check(self, step_size: float | None) -> None:
        _longest(self.step_size)
        check_step_size(self.step_size, self.method)
        given = [x for x in (step_size, self.step_size, self.grid) if x is not None]
        if (self.grid is not None and len(given) > 1) or step_size not in (None, self.step_size):
            msg = (
                "odeint: expected one of step_size, options['step_size'] and "
                "options['grid_constructor']; got several. Leave all but one out."
            )
            raise ValueError(msg)
        if self.grid is not None and isinstance(self.method, Adaptive):
            raise _misfit("grid_constructor", self.method, "Use a method with fixed steps")
        if self.norm is not None and not isinstance(self.method, Adaptive):
            raise _misfit("norm", self.method, "Leave it out: fixed steps measure no errors")

    def measure(self, form: StateForm, like: State) -> Callable[[Tensor], Tensor] | None:
        """Return the norm as one of z, (1,)."""
        norm = self.norm
        if norm is None:
            return None
        if form.per_sample:
            msg = (
                "odeint: expected no norm with per_sample=True, where each sample has its own; got "
                f"{shown(norm)}. Leave one of them out."
            )
            raise ValueError(msg)

        def measure(error: Tensor) -> Tensor:
            size = torch.as_tensor(norm(form.state(error, like)), dtype=torch.float64)
            return size.reshape(1)

        return measure

    def breaks(self, f: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return where f may jump, and where else a step must end."""
        if getattr(f, "autonomous", False):
            return (), (*self.jumps, *self.stops)
        return self.jumps, self.stops

    def grid_of(self, f: Any, y0: Any, t: Any) -> tuple[Tensor, list[int]] | None:
        """Return the times of steps, and which of them are the times t."""
        if self.grid is None:
            return None
        times = t if isinstance(t, Tensor) else torch.tensor(t, dtype=torch.float64)
        grid = torch.as_tensor(self.grid(f, y0, times)).to(torch.float64)
        wanted, steps = times.detach().to(torch.float64), grid.detach()
        if steps.ndim == 1 and steps.numel():
            near = (steps - wanted.unsqueeze(1)).abs().argmin(dim=1)
            fits = torch.equal(steps[near], wanted) and torch.equal(steps[[0, -1]], wanted[[0, -1]])
        else:
            near, fits = wanted, False
        if not fits:
            msg = (
                "odeint: expected grid_constructor(f, y0, t) to return times on one axis, from the "
                f"first of t to the last, with all of t among them; got {shown(grid)}. Add the "
                "times t: states are not interpolated between steps."
            )
            raise ValueError(msg)
        return grid, near.tolist()


@checked
def _longest(step_size: Longest | None) -> None:
    del step_size


def _check_name(name: str, value: object, method: Integrator) -> None:
    if name == "dtype" and value is torch.float64:
        return
    if name == "dtype":
        msg = f"odeint: expected no dtype but torch.float64, that of times here; got {value}."
        raise ValueError(msg)
    if name in _INSTEAD:
        refused = name != "perturb" or value is not False
        if refused:
            msg = f"odeint: expected no option {name!r}; got {shown(value)}. In its place "
            raise ValueError(f"{msg}{_INSTEAD[name]}.")
        return
    if name not in _KNOWN:
        msg = f"odeint: expected options among {', '.join(_KNOWN)}; got {name!r}. Correct the name."
        raise ValueError(msg)
    if name in _SETTINGS and _SETTINGS[name] not in _own(method):
        raise _misfit(name, method, "Use it with 'dopri5', 'tsit5' or another explicit pair")


def _own(method: Integrator) -> set[str]:
    """Return the settings that a method has."""
    return {field.name for field in fields(method)} if isinstance(method, Adaptive) else set()


def _misfit(name: str, method: Integrator, hint: str) -> ValueError:
    return ValueError(f"odeint: expected no option {name!r} with {method!r}. {hint}.")


def _set(method: Integrator, settings: dict[str, Any], *, is_named: bool) -> Integrator:
    if not settings:
        return method
    if not is_named:
        name, value = next(iter(settings.items()))
        msg = (
            f"odeint: expected the settings of {method!r} in itself; got options beside it. Use "
            f"{type(method).__name__}({name}={value!r})."
        )
        raise ValueError(msg)
    assert isinstance(method, Adaptive)  # none of the others has settings
    return replace(method, **settings)


def _times(name: str, value: Any) -> tuple[float, ...]:
    if value is None:
        return ()
    if isinstance(value, Tensor) and value.requires_grad:
        msg = (
            f"odeint: expected {name} without gradients; got a tensor that requires them. Use "
            f"{name}.detach(), or an event_fn, whose time has gradients."
        )
        raise ValueError(msg)
    value = value.tolist() if isinstance(value, Tensor) else value
    try:
        found = tuple(map(float, np.asarray(value, dtype=np.float64).reshape(-1)))
    except (TypeError, ValueError):
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        msg = f"odeint: expected {name} to be finite times; got {shown(value)}. Use [0.5, 1.5]."
        raise ValueError(msg)
    return found
