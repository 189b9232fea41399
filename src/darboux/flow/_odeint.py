"""`odeint`: the solution of f(t, y) = dy/dt from y0, with the arguments that people know."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import torch
from torch import Tensor

from darboux.flow._odeint_arguments import Times, as_method
from darboux.flow._state_form import State, StateForm
from darboux.integrators import DormandPrince, Field, Integrator, StepSize
from darboux.solvers._transforms import nesting


@overload
def odeint(
    f: Callable[..., Any],
    y0: Tensor,
    t: Tensor | Sequence[float],
    *,
    method: Integrator | str = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    step_size: float | None = ...,
) -> Tensor: ...


@overload
def odeint(
    f: Callable[..., Any],
    y0: tuple[Tensor, ...],
    t: Tensor | Sequence[float],
    *,
    method: Integrator | str = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    step_size: float | None = ...,
) -> tuple[Tensor, ...]: ...


def odeint(
    f: Callable[..., Any],
    y0: State,
    t: Tensor | Sequence[float],
    *,
    method: Integrator | str = "dopri5",
    rtol: float | None = None,
    atol: float | None = None,
    step_size: float | None = None,
) -> State:
    """Return the solution of ẏ = f(t, y), y(t_0) = y0, at the times t.

    Gradients with respect to y0, t and whatever f closes over are those of the numerical
    solution. Methods with fixed steps take one step for each interval, or as many equal ones
    as `step_size` asks for; they also run inside `torch.compile(fullgraph=True)`, where
    `step_size` and two-step methods want the times as a list of numbers. "dopri5" chooses its
    steps for each sample on its own.

    Shapes: y0 is (batch, ...), samples on the first axis, and the result (len(t), batch, ...).
    y0 with one axis or none is one system, and f sees it as it is. A tuple of tensors
    (batch, ...) gives a tuple of results, and f sees and returns tuples. The time that f sees
    is a 0-dimensional tensor, but one for each sample, (batch, 1, ..., 1), with "dopri5"; it is
    (batch, 1) if y0 is a tuple. A `VectorField` sees (batch, channels, *space) always, and may
    see numbers as times; methods for phase space want one, or an object with ``drift`` and
    ``kick``.

    Source: section 2.2; the arguments are those of torchdiffeq.

    Args:
        f: (t, y) -> ẏ, a function, a module or a vector field.
        y0: the state at the first time.
        t: the times, on one axis, strictly monotone, in either direction.
        method: an integrator, or one of the names "dopri5", "euler", "heun", "implicit_euler",
            "implicit_midpoint", "improved_euler", "leapfrog" (Störmer-Verlet), "midpoint",
            "radau", "rk3", "rk4", "symplectic_euler", "verlet".
        rtol: the relative tolerance of "dopri5"; that of `DormandPrince` if None.
        atol: the absolute one.
        step_size: the longest step of methods with fixed steps.

    Raises:
        ValueError: if an argument makes no sense, f changes the shape, or values are not finite.
        TypeError: if y0 is not made of tensors, or f lacks what the method needs.
        StiffnessError: if the steps of "dopri5" become too short or too many.

    Example:
        >>> y = odeint(lambda t, y: -y, torch.ones(1), torch.tensor([0.0, 1.0, 2.0]))
        >>> y.squeeze(1)
        tensor([1.0000, 0.3679, 0.1353])
    """
    integrator = as_method(method, rtol=rtol, atol=atol)
    _check_step_size(step_size, integrator)
    form, times = StateForm.of(y0), Times.of(t)
    field, z = form.field(f), form.pack(y0)
    integrator.require(field)
    values = [z, *_solution(integrator, field, z, times, step_size)]
    _check_finite(values, times, integrator)
    return form.gather(values)


def _solution(
    method: Integrator, field: Field, z: Tensor, times: Times, step_size: float | None
) -> Iterator[Tensor]:
    """Yield the states at t_1, ..., t_n."""
    # Two-step methods need equal steps: they begin anew where the step changes.
    state: Any = None
    before: StepSize | None = None
    for k in range(len(times.values) - 1):
        for t, h in times.steps(k, step_size):
            restart = method.doubled and (before is None or not times.are_equal(h, before))
            if before is None or restart:
                state = method.init(field, t, h, z)
            state, before = method.step(field, t, h, state), h
            z = method.value(state)
        yield z


def _check_step_size(step_size: float | None, method: Integrator) -> None:
    if step_size is None:
        return
    picks_its_own = isinstance(method, DormandPrince)
    if picks_its_own:
        msg = (
            f"odeint: expected no step_size with {method!r}, which picks its steps; got "
            f"{step_size}. Use rtol and atol, or a method with fixed steps such as 'rk4'."
        )
        raise ValueError(msg)
    if not 0 < step_size < math.inf:
        msg = (
            f"odeint: expected a finite step_size > 0, in both directions of time; got "
            f"{step_size}. Use its absolute value."
        )
        raise ValueError(msg)


def _check_finite(values: list[Tensor], times: Times, method: Integrator) -> None:
    """Refuse values that are not finite, where values can be looked at."""
    if torch.compiler.is_compiling() or nesting() > 0:
        return
    with torch.no_grad():
        lost = ~torch.stack([z.reshape(len(z), -1).isfinite().all(dim=1) for z in values])
    if not bool(lost.any()):
        return
    k, sample = (int(index) for index in lost.nonzero()[0])
    what = "y0" if k == 0 else f"the solution at t[{k}] = {float(times.values[k]):g}"
    msg = (
        f"odeint: expected finite values; got infinite or nan ones in {what}, in sample {sample} "
        f"of {lost.shape[1]}, by {method!r}. Use smaller steps (step_size), or 'dopri5'."
    )
    raise ValueError(msg)
