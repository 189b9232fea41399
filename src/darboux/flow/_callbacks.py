"""Callbacks: methods of f that hear of the steps, as torchdiffeq has them."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from darboux.flow._state_form import State, StateForm
from darboux.integrators._step_control import Watch

_EVENTS = ("step", "accept_step", "reject_step")


def watch_of(f: Any, form: StateForm, like: State) -> Watch | None:
    """Return what calls ``f.callback_step(t, y, h)`` and its like, None where f has none."""
    found = {event: getattr(f, f"callback_{event}", None) for event in _EVENTS}
    if not any(found.values()):
        return None
    if form.per_sample:
        msg = (
            "odeint: expected f without callback_step and its like with per_sample=True, where "
            f"each sample has its own steps; got {type(f).__name__}. Leave per_sample out, or "
            "solve for each sample."
        )
        raise ValueError(msg)

    def watch(
        event: Literal["step", "accept_step", "reject_step"],
        t: float | Tensor,
        z: Tensor,
        h: float | Tensor,
    ) -> None:
        callback = found[event]
        if callback is not None:
            callback(_number(t), form.state(z.detach(), like), _number(h))

    return watch


def _number(value: float | Tensor) -> Tensor:
    """Return a time as a 0-dimensional tensor, in float64."""
    return torch.as_tensor(value, dtype=torch.float64).detach().reshape(())
