"""One step along a schedule of shears, forward or back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from darboux.integrators._integrator import (
    Integrator,
    Partitioned,
    StepSize,
    Time,
    require,
    shifted,
    step_size,
)
from darboux.integrators._shears import First, Shears
from darboux.solvers._convergence import norms
from darboux.solvers._solve import solved

_INSTEAD = (
    "Use HamiltonianField, SecondOrderField, LearnedHamiltonianField or CoupledField; or, with "
    "this field, a Runge-Kutta method such as Kutta4(), or LeapfrogMidpoint(), which can be "
    "undone for any field."
)


def require_phase_space(field: Any, method: Integrator) -> None:
    """Refuse a field without drift and kick."""
    what = "a phase space (z, p)"
    require(field, "drift", "kick", method=method, what=what, instead=_INSTEAD)


def partitioned_step(
    method: Integrator, shears: Shears, field: Any, t: Time, h: StepSize, x: Tensor, *, back: bool
) -> Tensor:
    """Return the state x = (z, p) after one step from t to t + h, or before it."""
    # To go back, the shears are undone one by one in reverse order. The inverse of an implicit
    # shear is explicit and the other way round, and their number is even: reversed, the first
    # of each pair is again the implicit one.
    if not (hasattr(field, "drift") and hasattr(field, "kick")):
        require_phase_space(field, method)
    size = step_size(h, x)
    z, p = _halves(x)
    separable, frozen = getattr(field, "separable", False), getattr(field, "autonomous", False)
    schedule = shears.pairs
    if separable:
        schedule = shears.autonomous if frozen else shears.separable
    for i, shear in enumerate(reversed(schedule) if back else schedule):
        time = t if frozen or shear.node == 0 else t + shear.node * h
        weight = -shear.weight if back else shear.weight
        if not separable and i % 2 == 0:
            z, p = _implicit(method, field, shear.moves, time, size, weight, z, p)
        elif shear.moves == "drift":
            z = shifted(z, field.drift(time, z, p), size, weight=weight)
        else:
            p = shifted(p, field.kick(time, z, p), size, weight=weight)
    return torch.cat([z, p], dim=1)


def _implicit(
    method: Integrator,
    field: Partitioned,
    moves: First,
    time: Time,
    h: StepSize,
    weight: float,
    z: Tensor,
    p: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return (z, p) with the slope of what moves at its new place: z' = z + w h drift(t, z', p)."""
    half = z if moves == "drift" else p

    def moved(end: Tensor) -> Tensor:
        slope = field.drift(time, end, p) if moves == "drift" else field.kick(time, z, end)
        return shifted(half, slope, h, weight=weight)

    # a half may pass through 0, where it is rounding of its size before
    end = solved(moved, moved(half), context=repr(method), scale=norms(half.detach()))
    return (end, p) if moves == "drift" else (z, end)


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
