"""One step along a schedule of shears, forward or back."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from darboux.integrators._integrator import Partitioned, StepSize, Time, require
from darboux.integrators._shears import Shear, Shears
from darboux.integrators._step_size import shifted, step_size
from darboux.solvers import solve

_INSTEAD = (
    "Use HamiltonianField, SecondOrderField, LearnedHamiltonianField or CoupledField; or, with "
    "this field, a Runge-Kutta method such as Kutta4(), or LeapfrogMidpoint(), which can be "
    "undone for any field."
)


def require_phase_space(field: Any, method: object) -> None:
    """Refuse a field without drift and kick."""
    if not (hasattr(field, "drift") and hasattr(field, "kick")):
        what = "a phase space (z, p)"
        require(field, "drift", "kick", method=method, what=what, instead=_INSTEAD)


def partitioned_step(
    shears: Shears, field: Any, t: Time, h: StepSize, x: Tensor, *, method: object, back: bool
) -> Tensor:
    """Return the state x = (z, p) after one step from t to t + h, or before it."""
    # To go back, the shears are undone one by one in reverse order. The inverse of an implicit
    # shear is explicit and the other way round, and their number is even: reversed, the first
    # of each pair is again the implicit one.
    size = step_size(h, x)
    z, p = _halves(x)
    separable, frozen = getattr(field, "separable", False), getattr(field, "autonomous", False)
    schedule = shears.pairs
    if separable:
        schedule = shears.autonomous if frozen else shears.separable
    for i, (moves, node, weight) in enumerate(reversed(schedule) if back else schedule):
        shear = Shear(moves, node, -weight if back else weight)
        # a time that depends on a learned step is a tensor
        time = t if frozen or node == 0 else cast("float", t + node * h)
        if separable or i % 2:
            z, p = _explicit(shear, field, time, size, z, p)
        else:
            z, p = _implicit(shear, field, time, size, z, p, method)
    return torch.cat([z, p], dim=1)


def _explicit(
    shear: Shear, field: Partitioned, time: Time, h: StepSize, z: Tensor, p: Tensor
) -> tuple[Tensor, Tensor]:
    if shear.moves == "drift":
        return shifted(z, field.drift(time, z, p), h, weight=shear.weight), p
    return z, shifted(p, field.kick(time, z, p), h, weight=shear.weight)


def _implicit(
    shear: Shear, field: Partitioned, time: Time, h: StepSize, z: Tensor, p: Tensor, method: object
) -> tuple[Tensor, Tensor]:
    """Return the half that moves, taken at its new place: z' = z + w h drift(t, z', p)."""

    def position(end: Tensor) -> Tensor:
        return shifted(z, field.drift(time, end, p), h, weight=shear.weight)

    def momentum(end: Tensor) -> Tensor:
        return shifted(p, field.kick(time, z, end), h, weight=shear.weight)

    context = repr(method)
    if shear.moves == "drift":
        return solve(position, position(z), context=context, scale=_size(z)), p
    return z, solve(momentum, momentum(p), context=context, scale=_size(p))


def _size(half: Tensor) -> Tensor:
    """Return ‖·‖ of each sample: a half may pass through 0, where it is rounding of this."""
    return torch.linalg.vector_norm(half.detach().flatten(1), dim=1)


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim < 2 or x.shape[1] % 2:
        found = f"{x.shape[1]} of them" if x.ndim > 1 else "no channel axis"
        msg = (
            "Expected an even number of channels (position, momentum) along axis 1; got "
            f"{found}, shape {tuple(x.shape)}. Append zero channels, e.g. with a Lift."
        )
        raise ValueError(msg)
    z, p = x.chunk(2, dim=1)
    return z, p
