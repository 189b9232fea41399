"""`odeint_event`: the solution up to an event, with the arguments that people know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from darboux.flow._odeint import odeint
from darboux.integrators import Partitioned
from darboux.structure._arguments import checked, shown


@checked
def odeint_event(
    f: Callable[..., Any] | Partitioned,
    y0: Tensor | Sequence[Tensor],
    t0: float | Tensor,
    *,
    event_fn: Callable[[Any, Any], Tensor],
    reverse_time: bool = False,
    **settings: Any,
) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
    """Return when g(t, y) = 0 for the first time from t_0 on, and the states y0 and y there.

    g may have several entries, the first of which to change its sign is the event; signs are
    compared at the ends of steps, so that two changes within one step go unnoticed: shorten the
    steps, by ``options={"max_step": ...}`` or `step_size`. Where g is 0 at the start, the event is
    there. A method that picks its steps locates an event on the interpolated solution; one with
    fixed steps, which wants `step_size`, cuts its last step short.

    The time and the state have derivatives of first and second order in y0, t_0 and whatever f
    and g close over, those of the numerical solution by the implicit function theorem:
    dt*/dθ = -(g_y y_θ + g_θ)/(g_t + g_y f). Where g barely touches 0, or jumps there, they do not
    exist, and are refused.

    Shapes: y0 is (...), and the result (2, ...): the first state and the last; tuples of them
    where y0 is one. The time is 0-dimensional, in the dtype of t_0, and in float64 if that is a
    number. g sees t, 0-dimensional, and y as f does.

    Source: the implicit function theorem; Chen, Amos and Nickel 2021; the arguments are those of
    torchdiffeq.

    Args:
        f: (t, y) -> ẏ, as for `odeint`.
        y0: the state at t_0.
        t0: the time to begin at.
        event_fn: g.
        reverse_time: whether to go back in time.
        settings: method, rtol, atol, step_size and options, as for `odeint`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: as for `odeint`; if there is no event, g is not finite, or for derivatives of
            an event that grazes.

    Example:
        >>> import torch
        >>> height = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
        >>> start = (height, torch.zeros((), dtype=torch.float64))
        >>> def falling(t, y):
        ...     return y[1], torch.tensor(-10.0, dtype=torch.float64)
        >>> time, _ = odeint_event(falling, start, 0.0, event_fn=lambda t, y: y[0])
        >>> time.detach(), torch.autograd.grad(time, height)[0]  # √(2h/g) and its slope
        (tensor(1.0000, dtype=torch.float64), tensor(0.1000, dtype=torch.float64))
    """
    if not isinstance(t0, Tensor):
        t = torch.tensor([t0, t0 - 1 if reverse_time else t0 + 1], dtype=torch.float64)
    elif t0.numel() != 1:
        msg = (
            f"odeint_event: expected t0 to be one time; got {shown(t0)}. Solve for each time alone."
        )
        raise ValueError(msg)
    else:
        first = t0.reshape(1)
        t = torch.cat([first, first.detach() + (-1 if reverse_time else 1)])
    return odeint(f, y0, t, event_fn=event_fn, **settings)
