"""The attacks on what fields on phase space declare."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from darboux.certify.attacks.sampling import halves, sample_points, worst
from darboux.certify.finding import Finding, NotAttackedError, Trial
from darboux.certify.premises.energies import energy_gradient
from darboux.certify.premises.fields import in_both_precisions
from darboux.certify.problem import Problem, norms
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.certify.window import windowed
from darboux.structure import AutonomousField, CanonicalField, ReversibleField, SeparableField

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
    """Return a field at the step's time as a problem, and points to try.

    Example:
        >>> import darboux as dx
        >>> from darboux.certify.effort import Effort
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> generator = torch.Generator().manual_seed(0)
        >>> target = Target(field, torch.ones(1, 4), Effort.named("quick"), generator)
        >>> places(field, target)[1].shape[1:]
        torch.Size([4])
    """
    flow, twin = in_both_precisions(field, target)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    return problem, sample_points(problem, cost=6.0)[:16].detach()


def difference(name: str, left: Tensor, right: Tensor, problem: Problem, points: Tensor) -> Trial:
    """Return how far two values differ, relative to their size, as a trial.

    Raises:
        NotAttackedError: if the two have different shapes.

    Example:
        >>> import darboux as dx
        >>> from darboux.certify.effort import Effort
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> generator = torch.Generator().manual_seed(0)
        >>> target = Target(field, torch.ones(1, 4), Effort.named("quick"), generator)
        >>> problem, points = places(field, target)
        >>> difference("same", points, points, problem, points).measured
        0.0
    """
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
