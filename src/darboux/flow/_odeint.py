"""`odeint`: the solution of f(t, y) = dy/dt from y0, with the arguments that people know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

from torch import Tensor

from darboux.flow._odeint_arguments import Longest, Name, Times, as_method, check_step_size
from darboux.flow._odeint_run import Run
from darboux.flow._state_form import StateForm
from darboux.flow._user_field import as_field
from darboux.integrators import AdaptiveRadau, ImplicitRungeKutta, Integrator, Partitioned
from darboux.integrators._adaptive import Adaptive
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
) -> tuple[Tensor, ...]: ...


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
) -> Tensor | tuple[Tensor, ...]:
    """Return the solution of ẏ = f(t, y), y(t_0) = y0, at the times t.

    y is one system of any shape: one step size, and one error, the root mean square over all of
    its entries, as torchdiffeq has it. With ``per_sample=True`` its rows are independent samples
    instead, each with steps of its own, and an implicit method solves for each of them alone. f
    is then probed at the first and the last time, by moving some rows while others stay, and
    refused if it mixes them.

    "dopri5" chooses its steps whatever the times are, and interpolates to order 4: f may be asked
    a step beyond the last time, unless it is not finite there. So does "radau", for stiff f, to
    order 3 and never beyond the last time; a system, or a sample, has at most 512 entries there,
    and f is differentiated by autograd, or by differences where it leaves torch. Methods with
    fixed steps take one
    step for each interval, or as many equal ones as `step_size` asks for; they also run inside
    `torch.compile(fullgraph=True)`, where `step_size` and two-step methods want the times as a
    list of numbers, and inside `torch.func.vmap`.

    Gradients with respect to y0 and whatever f closes over are those of the numerical solution;
    so are those by t, but with "dopri5" and "radau" they are the slopes f(t, y) there.

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
        method: an integrator, or one of the names "dopri5", "euler", "heun", "implicit_euler",
            "implicit_midpoint", "improved_euler", "leapfrog" (Störmer-Verlet), "midpoint",
            "radau", "rk3", "rk4", "symplectic_euler", "verlet".
        rtol: the relative tolerance of "dopri5" and "radau"; that of `DormandPrince` if None.
        atol: the absolute one.
        step_size: the longest step of methods with fixed steps.
        per_sample: whether the first axis is that of independent samples.

    Raises:
        ValueError: if an argument makes no sense, f changes the shape, writes into y or mixes what
            must be apart, or values are not finite.
        TypeError: if y0 is not made of tensors, f returns integers, or complex numbers for a real
            y, or lacks what the method needs.
        StiffnessError: if the steps of "dopri5" or "radau" become too short or too many.

    Example:
        >>> import torch
        >>> y = odeint(lambda t, y: -y, torch.ones(1), torch.tensor([0.0, 1.0, 2.0]))
        >>> y.squeeze(1)
        tensor([1.0000, 0.3679, 0.1353])
    """
    integrator = as_method(method, rtol=rtol, atol=atol)
    check_step_size(step_size, integrator)
    real = isinstance(integrator, (ImplicitRungeKutta, AdaptiveRadau))
    by_rows = real or isinstance(integrator, Adaptive)
    form = StateForm.of(y0, per_sample=per_sample, by_rows=by_rows, real=real, field=f)
    times, z = Times.of(t), form.pack(y0)
    if not getattr(f, "autonomous", False):
        times.check_resolution(z.dtype, integrator, step_size)
    run = Run(integrator, as_field(f, form, z), times, step_size)
    integrator.require(run.field)
    run.check_rows(0, z, per_sample=per_sample)
    values = run.values(z, form.sizes)
    run.check_values(values, per_sample=per_sample)
    form.check_unchanged(z, y0)
    run.check_rows(-1, values[-1], per_sample=per_sample)
    return form.gather(values, y0)
