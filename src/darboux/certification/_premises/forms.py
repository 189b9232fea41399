"""The attacks on the form that a field has: canonical, separable, passive."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from darboux.certification._attacks.phase import flip, halves
from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import (
    Finding,
    NotAttackedError,
    Trial,
    attacks,
    method_of,
)
from darboux.certification._premises.fields import in_both_precisions, prepared, some_time
from darboux.certification._problem import Problem, norms, widened
from darboux.certification._target import Target, windowed
from darboux.integrators import lacks
from darboux.structure import (
    Premise,
    autonomous_field,
    canonical_field,
    gradient_of_energy,
    partitioned_field,
    passive_form,
    reversible_field,
    separable_field,
)

_TIMES = 4  # of either sign


@attacks(canonical_field)
def _(premise: Premise, target: Target) -> Finding:
    """Compare the field with J∇energy."""
    field = premise.subject
    time, problem, points = places(field, target)
    slope = _energy_gradient(field, time, points)
    position, momentum = halves(slope, axis=1)
    canonical = torch.cat([momentum, -position], dim=1)
    name = "field against J∇energy"
    return Finding(0.0, (_difference(name, problem(points), canonical, problem, points),))


@attacks(separable_field)
def _(premise: Premise, target: Target) -> Finding:
    """Exchange the halves that drift and kick must not look at; add them up to the field."""
    field: Any = premise.subject
    time, problem, points = places(field, target)
    z, p = halves(points, axis=1)
    other_z, other_p = (part.flip(0) + target.randn(*part.shape) for part in (z, p))
    whole = _halved(field, time, points)
    with torch.no_grad():
        moved = torch.cat([field.drift(time, other_z, p), field.kick(time, z, other_p)], dim=1)
    trials = (
        _difference("drift with another z, kick with another p", moved, whole, problem, points),
        _difference("field against (drift, kick)", problem(points), whole, problem, points),
    )
    return Finding(0.0, trials)


@attacks(partitioned_field)
def _(premise: Premise, target: Target) -> Finding:
    """Compare the field with its halves."""
    time, problem, points = places(premise.subject, target)
    whole = _halved(premise.subject, time, points)
    name = "field against (drift, kick)"
    return Finding(0.0, (_difference(name, problem(points), whole, problem, points),))


@attacks(reversible_field)
def _(premise: Premise, target: Target) -> Finding:
    """Compare f(ρz) with -ρf(z)."""
    _, problem, points = places(premise.subject, target)
    flipped = problem(flip(points, axis=1))
    trial = _difference(
        "f(ρz) against -ρf(z)", flipped, -flip(problem(points), axis=1), problem, points
    )
    return Finding(0.0, (trial,))


@attacks(autonomous_field)
def _(premise: Premise, target: Target) -> Finding:
    """Evaluate the field, and what steps take of it, at other times, near and far."""
    field: Any = premise.subject
    time, problem, points = places(field, target)
    far = target.log_uniform(2 * _TIMES, -2.0, 2.0).tolist()
    times = [time + s for s in (*far[:_TIMES], *(-s for s in far[_TIMES:]))]
    here, there = _values(field, time, points), [_values(field, s, points) for s in times]
    trials = []
    for name, value in here.items():
        others = torch.stack([values[name] for values in there])
        k = torch.stack([norms(other - value) for other in others]).argmax(dim=0)
        other = others[k, torch.arange(len(points), device=k.device)]
        trials.append(_difference(f"{name} at other times", other, value, problem, points))
    return Finding(0.0, tuple(trials))


def _values(field: Any, time: float, points: Tensor) -> dict[str, Tensor]:
    """Return the field at a time, and as its halves, its energy and its form give it."""
    with torch.no_grad():
        found = {"f": prepared(field)(time, points)}
        if not lacks(field, "energy"):
            found["H"] = field.energy(time, points).unsqueeze(1)
        if not lacks(field, "drift", "kick"):
            found["(drift, kick)"] = _halved(field, time, points)
        if not lacks(field, "gradient", "steer"):
            found["S∇H"] = field.steer(time, points, field.gradient(time, points))
    return found


def _halved(field: Any, time: float, points: Tensor) -> Tensor:
    """Return (drift, kick)."""
    z, p = halves(points, axis=1)
    with torch.no_grad():
        return torch.cat([field.drift(time, z, p), field.kick(time, z, p)], dim=1)


def places(field: Any, target: Target) -> tuple[float, Problem, Tensor]:
    """Return a time, the field at that time as a problem, and points to try."""
    time = some_time(field, target)
    flow, twin = in_both_precisions(field, target, time=time)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    return time, problem, sample_points(problem, cost=6.0)[:16].detach()


def _difference(name: str, left: Tensor, right: Tensor, problem: Problem, points: Tensor) -> Trial:
    """Return how far two values differ, relative to their size, as a trial."""
    if left.shape != right.shape:
        msg = f"{name}: shapes {tuple(left.shape)} and {tuple(right.shape)} differ"
        raise NotAttackedError(msg)
    size = (norms(left) + norms(right)).clamp(min=torch.finfo(points.dtype).tiny)
    # Both are sums over features and kernels, of terms that may cancel.
    rounding = 16 * problem.target.rounding(problem.size)
    # where both sides nearly vanish they are as exact as the largest values are
    slack, error = rounding + rounding * size.max() / size, norms(left - right) / size
    slack = widened(slack, error, lambda k: 2 * problem.rounding(points[k]) / size[k])
    return worst(name, error, slack, points)


def _energy_gradient(field: nn.Module, time: float, points: Tensor) -> Tensor:
    """Return ∇H of the field's own ``energy`` at points, by automatic differentiation."""
    energy = method_of(field, "energy(t, z)")
    z = points.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(energy(time, z).sum(), z)
    return slope.detach()


@attacks(passive_form)
def _(premise: Premise, target: Target) -> Finding:
    """Compare f with S∇H and ∇H with the energy; try the sign of ⟨g, S g⟩ on random g."""
    field: Any = premise.subject
    time, problem, points = places(field, target)
    slope = _energy_gradient(field, time, points)
    with torch.no_grad():
        gradient = field.gradient(time, points)
        steered = field.steer(time, points, slope)
        supply = field.supply(time, points)
    supplied = steered if supply is None else steered + supply
    trials = [
        _difference("gradient against ∇energy", gradient, slope, problem, points),
        _difference("field against S∇energy", problem(points), steered, problem, points),
        _difference("what is supplied", supplied, steered, problem, points),
        *(_power(premise, time, g, problem, points) for g in (target.randn(*points.shape), slope)),
    ]
    return Finding(0.0, tuple(trials))


def _power(premise: Premise, time: float, g: Tensor, problem: Problem, points: Tensor) -> Trial:
    """Return ⟨g, S g⟩ / (‖g‖ ‖S g‖), or its absolute value where H is to be kept."""
    field: Any = premise.subject
    with torch.no_grad():
        steered = field.steer(time, points, g)
    size = (norms(g) * norms(steered)).clamp(min=torch.finfo(g.dtype).tiny)
    power = (g * steered).flatten(1).sum(dim=1) / size
    measured = power.abs() if premise.values["sign"] == "=" else power
    slack = 16 * problem.target.rounding(problem.size)
    return worst("⟨g, S g⟩ relative to its size", measured, slack, points)


@attacks(gradient_of_energy)
def _(premise: Premise, target: Target) -> Finding:
    """Compare the field with minus the derivative of its energy."""
    time, problem, points = places(premise.subject, target)
    slope = _energy_gradient(premise.subject, time, points)
    value = problem(points)
    size = (norms(value) + norms(slope)).clamp(min=torch.finfo(points.dtype).tiny)
    # Both are sums over all features and the kernel; antiderivatives may use a series.
    slack, error = torch.full_like(size, 16 * target.rounding(problem.size)), norms(value + slope)
    slack = widened(slack, error / size, lambda k: problem.rounding(points[k]) / size[k])
    return Finding(0.0, (worst("field against -∇energy", error / size, slack, points),))
