"""The attacks on what fields on phase space declare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from darboux.certification._attacks.sampling import halves, sample_points, worst
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack_premise
from darboux.certification._premises.fields import in_both_precisions
from darboux.certification._problem import Problem, norms
from darboux.certification._target import Target
from darboux.certification._window import windowed
from darboux.integrators import GradientForm
from darboux.structure import (
    AutonomousField,
    CanonicalField,
    GradientOfEnergy,
    PassiveForm,
    ReversibleField,
    SeparableField,
)

_TIMES = (0.0, 0.37, -1.3, 11.0)


@attack_premise.register
def _(premise: CanonicalField, target: Target) -> Finding:
    """Compare the field with J∇energy."""
    field = premise.subject
    problem, points = places(field, target)
    slope = energy_gradient(field, target, points)
    position, momentum = halves(slope, axis=1)
    canonical = torch.cat([momentum, -position], dim=1)
    name = "field against J∇energy"
    return Finding(0.0, (difference(name, problem(points), canonical, problem, points),))


@attack_premise.register
def _(premise: SeparableField, target: Target) -> Finding:
    """Exchange the halves that drift and kick must not look at; add them up to the field."""
    field: Any = premise.subject
    problem, points = places(field, target)
    z, p = halves(points, axis=1)
    other_z, other_p = (part.flip(0) + target.randn(*part.shape) for part in (z, p))
    time = _time(target)
    with torch.no_grad():
        drift, kick = field.drift(time, z, p), field.kick(time, z, p)
        moved = torch.cat([field.drift(time, other_z, p), field.kick(time, z, other_p)], dim=1)
        whole = torch.cat([drift, kick], dim=1)
    trials = (
        difference("drift with another z, kick with another p", moved, whole, problem, points),
        difference("field against (drift, kick)", problem(points), whole, problem, points),
    )
    return Finding(0.0, trials)


@attack_premise.register
def _(premise: ReversibleField, target: Target) -> Finding:
    """Compare f(ρz) with -ρf(z)."""
    problem, points = places(premise.subject, target)
    flipped = problem(_flip(points))
    trial = difference("f(ρz) against -ρf(z)", flipped, -_flip(problem(points)), problem, points)
    return Finding(0.0, (trial,))


@attack_premise.register
def _(premise: AutonomousField, target: Target) -> Finding:
    """Evaluate the field, and its energy where it has one, at other times."""
    field: Any = premise.subject
    problem, points = places(field, target)
    trials = []
    with torch.no_grad():
        for time in _TIMES:
            name = f"f at t = {time:g} against the step's t"
            trials.append(difference(name, field(time, points), problem(points), problem, points))
            if hasattr(field, "energy"):
                here, there = field.energy(_time(target), points), field.energy(time, points)
                pair = (there.unsqueeze(1), here.unsqueeze(1))
                trials.append(difference(f"H at t = {time:g}", *pair, problem, points))
    return Finding(0.0, tuple(trials))


def places(field: Any, target: Target) -> tuple[Problem, Tensor]:
    """Return a field at the step's time as a problem, and points to try."""
    flow, twin = in_both_precisions(field, target)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    return problem, sample_points(problem, cost=6.0)[:16].detach()


def difference(name: str, left: Tensor, right: Tensor, problem: Problem, points: Tensor) -> Trial:
    """Return how far two values differ, relative to their size, as a trial."""
    if left.shape != right.shape:
        msg = f"{name}: shapes {tuple(left.shape)} and {tuple(right.shape)} differ"
        raise NotAttackedError(msg)
    size = (norms(left) + norms(right)).clamp(min=torch.finfo(points.dtype).tiny)
    # Both are sums over features and kernels, of terms that may cancel.
    rounding = 16 * problem.target.rounding(problem.size)
    slack = rounding + 16 * problem.observed_rounding(points) / size
    # where both sides nearly vanish they are as exact as the largest values are
    slack = slack + rounding * size.max() / size
    return worst(name, norms(left - right) / size, slack, points)


def _flip(z: Tensor) -> Tensor:
    """Return ρ(q, p) = (q, -p)."""
    position, momentum = halves(z, axis=1)
    return torch.cat([position, -momentum], dim=1)


def _time(target: Target) -> float:
    return float(getattr(target.module, "time", 0.0))


def energy_gradient(field: nn.Module, target: Target, points: Tensor) -> Tensor:
    """Return ∇H of the field's own ``energy`` at points, by automatic differentiation."""
    energy: Callable[[float, Tensor], Tensor] | None = getattr(field, "energy", None)
    if energy is None:
        msg = f"{type(field).__name__} has no method energy(t, z)"
        raise NotAttackedError(msg)
    time = float(getattr(target.module, "time", 0.0))
    z = points.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(energy(time, z).sum(), z)
    return slope.detach()


@attack_premise.register
def _(premise: PassiveForm, target: Target) -> Finding:
    """Compare f with S∇H and ∇H with the energy; try the sign of ⟨g, S g⟩ on random g."""
    field: Any = premise.subject
    problem, points = places(field, target)
    time = float(getattr(target.module, "time", 0.0))
    slope = energy_gradient(field, target, points)
    with torch.no_grad():
        gradient = field.gradient(time, points)
        steered = field.steer(time, points, slope)
    trials = [
        difference("gradient against ∇energy", gradient, slope, problem, points),
        difference("field against S∇energy", problem(points), steered, problem, points),
        *(_power(premise, time, g, problem, points) for g in (target.randn(*points.shape), slope)),
    ]
    return Finding(0.0, tuple(trials))


def _power(premise: PassiveForm, time: float, g: Tensor, problem: Problem, points: Tensor) -> Trial:
    """Return ⟨g, S g⟩ / (‖g‖ ‖S g‖), or its absolute value where H is to be kept."""
    with torch.no_grad():
        steered = cast("GradientForm", premise.subject).steer(time, points, g)
    size = (norms(g) * norms(steered)).clamp(min=torch.finfo(g.dtype).tiny)
    power = (g * steered).flatten(1).sum(dim=1) / size
    measured = power.abs() if premise.conservative else power
    slack = 16 * problem.target.rounding(problem.size)
    return worst("⟨g, S g⟩ relative to its size", measured, slack, points)


@attack_premise.register
def _(premise: GradientOfEnergy, target: Target) -> Finding:
    """Compare the field with minus the derivative of its energy."""
    field = premise.subject
    energy: Callable[[float, Tensor], Tensor] | None = getattr(field, "energy", None)
    if energy is None:
        msg = f"{type(field).__name__} has no method energy(t, z)"
        raise NotAttackedError(msg)
    flow, twin = in_both_precisions(field, target)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    points = sample_points(problem, cost=6.0)[:16]
    time = float(getattr(target.module, "time", 0.0))
    z = points.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(energy(time, z).sum(), z)
    value = problem(points)
    size = (norms(value) + norms(slope)).clamp(min=torch.finfo(z.dtype).tiny)
    # Both are sums over all features and the kernel; antiderivatives may use a series.
    slack = 16 * (target.rounding(problem.size) + problem.observed_rounding(points) / size)
    trial = worst("field against -∇energy", norms(value + slope) / size, slack, points)
    return Finding(0.0, (trial,))
