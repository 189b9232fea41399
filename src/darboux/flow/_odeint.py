"""`odeint`: the solution of f(t, y) = dy/dt from y0, with the arguments that people know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

from torch import Tensor

from darboux.flow._callbacks import watch_of
from darboux.flow._events import Event, as_time, require_event, until
from darboux.flow._gradients import Gradient
from darboux.flow._method_names import Longest, Name, as_method
from darboux.flow._odeint_arguments import Times
from darboux.flow._odeint_gradients import Chosen, Course
from darboux.flow._odeint_run import Run
from darboux.flow._options import Options
from darboux.flow._state_form import StateForm
from darboux.flow._user_field import as_field
from darboux.integrators import AdaptiveRadau, ImplicitRungeKutta, Integrator, Partitioned
from darboux.integrators._adaptive import Adaptive
from darboux.integrators._step_control import Manner
from darboux.structure._arguments import NonNegative, checked


@overload
def odeint(
    f: Callable[..., Any] | Partitioned,
    y0: Tensor,
    t: Tensor | Sequence[float],
    *,
    method: Name | Integrator = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    step_size: float | None = ...,
    per_sample: bool = ...,
    gradient: Gradient = ...,
    options: Mapping[str, Any] | None = ...,
) -> Tensor: ...


@overload
def odeint(
    f: Callable[..., Any] | Partitioned,
    y0: Sequence[Tensor],
    t: Tensor | Sequence[float],
    *,
    method: Name | Integrator = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    step_size: float | None = ...,
    per_sample: bool = ...,
    gradient: Gradient = ...,
    options: Mapping[str, Any] | None = ...,
) -> tuple[Tensor, ...]: ...


@overload
def odeint(
    f: Callable[..., Any] | Partitioned,
    y0: Tensor,
    t: Tensor | Sequence[float],
    *,
    event_fn: Callable[[Any, Any], Tensor],
    method: Name | Integrator = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    step_size: float | None = ...,
    gradient: Gradient = ...,
    options: Mapping[str, Any] | None = ...,
) -> tuple[Tensor, Tensor]: ...


@overload
def odeint(
    f: Callable[..., Any] | Partitioned,
    y0: Sequence[Tensor],
    t: Tensor | Sequence[float],
    *,
    event_fn: Callable[[Any, Any], Tensor],
    method: Name | Integrator = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    step_size: float | None = ...,
    gradient: Gradient = ...,
    options: Mapping[str, Any] | None = ...,
) -> tuple[Tensor, tuple[Tensor, ...]]: ...


@checked
def odeint(
    f: Callable[..., Any] | Partitioned,
    y0: Any,
    t: Any,
    *,
    method: Name | Integrator = "dopri5",
    rtol: NonNegative | None = None,
    atol: NonNegative | None = None,
    step_size: Longest | None = None,
    per_sample: bool = False,
    gradient: Gradient | Chosen = "autograd",
    options: Mapping[str, Any] | None = None,
    event_fn: Callable[[Any, Any], Tensor] | None = None,
) -> Tensor | tuple[Tensor, ...] | tuple[Tensor, Tensor | tuple[Tensor, ...]]:
    """Return the solution of ẏ = f(t, y), y(t_0) = y0, at the times t.

    y is one system of any shape: one step size, and one error, the root mean square over all of
    its entries, as torchdiffeq has it. With ``per_sample=True`` its rows are independent samples
    instead, each with steps of its own, and an implicit method solves for each of them alone. f
    is then probed at the first and the last time, by moving some rows while others stay, and
    refused if it mixes them.

    Methods that pick their steps do so whatever the times are, and interpolate: "dopri5" and
    "tsit5" to order 4, "bosh3" to 3, "adaptive_heun" and "fehlberg2" to 2, and "dopri8" to 5,
    which may err a hundred times as much as its steps. f may be asked a step beyond the last
    time, unless it is not finite there. "radau", for stiff f, interpolates to order 3 and never
    goes beyond; a system, or a sample, has at most 512 entries there, and f is differentiated by
    autograd, or by differences where it leaves torch. Methods with fixed steps take one
    step for each interval, or as many equal ones as `step_size` asks for; they also run inside
    `torch.compile(fullgraph=True)`, where `step_size` and two-step methods want the times as a
    list of numbers, and inside `torch.func.vmap`.

    Where f jumps at known times, ``options={"jump_t": times}`` ends a step there and begins anew:
    f is asked just before the jump, then just after it. With `event_fn` the solution goes from
    the first time, in the direction of the second and beyond it, up to an event, and the result
    is that of `odeint_event`. Methods ``callback_step(t, y, h)``, ``callback_accept_step`` and
    ``callback_reject_step`` of f hear of every step.

    Gradients with respect to y0 and whatever f closes over are those of the numerical solution;
    so are those by t, but with methods that pick their steps they are the slopes f(t, y) there.

    Shapes: y0 is (...), and the result (len(t), ...). A tuple or list of tensors of any shapes
    gives a tuple of results, f sees and returns tuples, and the error is that of the worst member.
    With ``per_sample=True`` all tensors are (batch, ...). f sees a 0-dimensional time, but one for
    each sample with ``per_sample=True`` and an adaptive method: (batch, 1, ..., 1), or (batch, 1)
    for tuples. A `VectorField` sees (batch, channels, *space) always, and may see numbers as times;
    methods for phase space want one, or an object with ``drift`` and ``kick``.

    Numbers: y0 is real or complex. Times are kept in float64, and f gets them in the real dtype
    of y; steps that change nothing there are refused. Slopes of another width are rounded to the
    dtype of y. f may return the same memory every time, but not write into y.

    Source: section 2.2; the arguments are those of torchdiffeq.

    Args:
        f: (t, y) -> ẏ, a function, a module or a vector field.
        y0: the state at the first time.
        t: the times, on one axis, in either direction; a time may be repeated.
        method: an integrator, or the name of one. Methods that pick their steps: "adaptive_heun",
            "bosh3", "dopri5", "dopri8", "fehlberg2", "radau", "tsit5". Explicit ones with fixed
            steps: "euler", "heun" ("heun2", "improved_euler"), "heun3", "midpoint", "rk3", "rk4"
            (Kutta's classical method). Implicit ones: "gl4" and "gl6" (Gauss), "implicit_euler",
            "implicit_midpoint", "radauIIA3", "radauIIA5", "sdirk2", "trapezoid", "trbdf2". For
            phase space: "leapfrog" ("verlet", Störmer-Verlet), "symplectic_euler".
        rtol: the relative tolerance of methods that pick their steps; that of `DormandPrince` if
            None.
        atol: the absolute one.
        step_size: the longest step of methods with fixed steps.
        per_sample: whether the first axis is that of independent samples.
        gradient: how derivatives go through the steps, as for `Flow`.
        options: what torchdiffeq calls so. Of methods that pick their steps "dfactor",
            "first_step", "ifactor", "max_num_steps", "max_step", "min_step", "norm" and "safety";
            of fixed steps "grid_constructor" and "step_size"; of all "jump_t" and "step_t".
        event_fn: (t, y) -> a tensor, an entry of which is 0 at the event.

    Raises:
        ValueError: if an argument makes no sense, f changes the shape, writes into y or mixes what
            must be apart, or values are not finite.
        TypeError: if y0 is not made of tensors, f returns integers, or complex numbers for a real
            y, or lacks what the method needs.
        StiffnessError: if steps become too short or too many.

    Example:
        >>> import torch
        >>> y = odeint(lambda t, y: -y, torch.ones(1), torch.tensor([0.0, 1.0, 2.0]))
        >>> y.squeeze(1)
        tensor([1.0000, 0.3679, 0.1353])
    """
    integrator = as_method(method, rtol=rtol, atol=atol)
    chosen = Options.of(options, integrator, step_size, is_named=isinstance(method, str))
    integrator = chosen.method
    real = isinstance(integrator, (ImplicitRungeKutta, AdaptiveRadau))
    by_rows = real or isinstance(integrator, Adaptive)
    form = StateForm.of(y0, per_sample=per_sample, by_rows=by_rows, real=real, field=f)
    grid = chosen.grid_of(f, y0, t)
    times, z = Times.of(t if grid is None else grid[0]), form.pack(y0)
    if not getattr(f, "autonomous", False):
        times.check_resolution(z.dtype, integrator, chosen.step_size)
    course = Course.of(integrator, gradient, f, form, z)
    manner = Manner(form.sizes, chosen.measure(form, y0), watch_of(f, form, y0))
    run = Run(integrator, as_field(f, form, z), times, chosen.step_size, course, manner)
    integrator.require(run.field)
    run.check_rows(0, z, per_sample=per_sample)
    if event_fn is not None:
        is_chosen = isinstance(gradient, Chosen)
        require_event(run, chosen, per_sample=per_sample, is_chosen=is_chosen)
        time, values = until(run, Event.of(event_fn, form, y0, times.values[0], z), z)
        form.check_unchanged(z, y0)
        return as_time(time, t), form.gather(values, y0)
    values = run.values(z, *chosen.breaks(f))
    run.check_values(values, per_sample=per_sample)
    form.check_unchanged(z, y0)
    run.check_rows(-1, values[-1], per_sample=per_sample)
    return form.gather(values if grid is None else values[grid[1]], y0)
