"""The attacks on the constants of vector fields, on their symmetry, and on step sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from darboux.certification._attacks.equivariant import compare
from darboux.certification._attacks.jacobian_power import jacobian_power
from darboux.certification._attacks.lipschitz import attack_constant
from darboux.certification._attacks.pairs import random_pairs
from darboux.certification._attacks.sampling import random_points, sample_points, worst
from darboux.certification._copies import coarse_copy
from darboux.certification._finding import (
    Finding,
    NotAttackedError,
    Trial,
    attacks,
    method_of,
)
from darboux.certification._jacobian import Jacobian
from darboux.certification._nodes import step_of
from darboux.certification._problem import Map, Problem, norms, spread, unit
from darboux.certification._target import Target, windowed
from darboux.flow import Step, advance
from darboux.flow._steps import as_float
from darboux.solvers._rows import mixing
from darboux.structure import (
    Premise,
    cocoercive_field,
    equivariant_field,
    growth_field,
    independent_samples,
    lipschitz_field,
    one_sided_field,
    step_within,
)

_ITERATIONS = 30

_SAMPLES = 8  # of which some are moved


@attacks(cocoercive_field)
def _(premise: Premise, target: Target) -> Finding:
    """⟨Δf, Δz⟩ <= ν̄ ‖Δf‖² is the same as: id - 2ν̄ f is nonexpansive. Attack that."""
    # ‖Δz - 2ν̄ Δf‖² = ‖Δz‖² - 4ν̄ (⟨Δf, Δz⟩ - ν̄ ‖Δf‖²) with -4ν̄ > 0.
    rate = _constant(premise.subject, "cocoercivity")
    if not rate < 0:
        msg = f"cocoercivity() must be negative; got {rate:g}"
        raise NotAttackedError(msg)
    flow, twin = _at_some_time(premise.subject, target)
    finding = attack_constant(
        _reflected(flow, rate),
        windowed(flow, target),
        claimed=1.0,
        twin=None if twin is None else _reflected(twin, rate),
    )
    return replace(finding, note=f"{finding.note} id - 2ν̄f is nonexpansive".strip())


@attacks(lipschitz_field)
def _(premise: Premise, target: Target) -> Finding:
    """Look for directions of the Jacobian, and pairs, that the field stretches by more than L."""
    bound = _constant(premise.subject, "lipschitz")
    flow, twin = _at_some_time(premise.subject, target)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    options = {"relative": target.tolerance(problem.size), "claimed": bound}
    pairs = random_pairs(problem)
    steepest, bases = jacobian_power(problem, pairs)
    trials = (
        steepest.trial(problem, "Jacobian power iteration", bases, **options),
        pairs.trial(problem, "random pairs", len(pairs), **options),
    )
    return Finding(bound, trials, problem.note())


def in_both_precisions(field: nn.Module, target: Target, *, time: float) -> tuple[Map, Map | None]:
    """Return a field at a time of the step that uses it, and the same in float32."""
    # The second is None where attacks do not run in float64 beside float32 parameters.
    flow, other = prepared(field), coarse_copy(field, target)
    if other is None:
        return lambda z: flow(time, z), None
    coarse = prepared(other)
    return lambda z: flow(time, z), lambda z: coarse(time, z.float()).double()


def prepared(field: nn.Module) -> Callable[[float, Tensor], Tensor]:
    """Return a field as steps call it, with what depends on parameters alone computed once."""
    flow: Callable[[float, Tensor], Tensor] = method_of(field, "prepare()")()
    return flow


def some_time(field: nn.Module, target: Target) -> float:
    """Return a time within the step that rests on a premise, 0 where it is no step."""
    # Where the field says that it does not look at t, that is a premise of its own.
    step = step_of(target.module)
    if step is None or getattr(field, "autonomous", False):
        return 0.0 if step is None else float(step.time)
    u = float(torch.rand((), generator=target.generator, device=target.generator.device))
    return float(step.time) + u * as_float(step.size())


def _at_some_time(field: nn.Module, target: Target) -> tuple[Map, Map | None]:
    return in_both_precisions(field, target, time=some_time(field, target))


def _constant(subject: nn.Module, name: str) -> float:
    """Return a constant of a field or a step, read anew, as a number."""
    value: Tensor | float | None = method_of(subject, f"{name}()")()
    if value is None:
        msg = f"{type(subject).__name__} reports no {name}()"
        raise NotAttackedError(msg)
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _reflected(flow: Map, rate: float) -> Map:
    return lambda z: z - 2 * rate * flow(z)


@attacks(one_sided_field)
def _(premise: Premise, target: Target) -> Finding:
    """⟨Δf, Δz⟩ / ‖Δz‖² on pairs, and the largest eigenvalue of (Df + Df*)/2 by iteration."""
    claimed = _constant(premise.subject, "one_sided_lipschitz")
    flow, twin = _at_some_time(premise.subject, target)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    wanted = problem.afford(problem.places(64), fraction=0.2, calls=8.0 * _ITERATIONS, least=4)
    points = random_points(problem, wanted)
    trials = (_pairs(problem, points), _eigenvalue(problem, points))
    return Finding(claimed, trials, problem.note())


def _pairs(problem: Problem, points: Tensor) -> Trial:
    target = problem.target
    distances = target.log_uniform(len(points), -3.0, 2.0)
    apart = spread(distances, points) * unit(target.randn(*points.shape)) * target.scale
    here, there = problem(points), problem(points + apart)
    way = norms(apart)
    quotient = ((there - here) * apart).flatten(1).sum(dim=1) / way.square()
    slack = target.rounding(problem.size) * (norms(here) + norms(there)) / way
    slack = slack + problem.rounding(points) / way
    return worst("⟨Δf, Δz⟩ / ‖Δz‖² on pairs", quotient, slack, points)


def _eigenvalue(problem: Problem, points: Tensor) -> Trial:
    """Return the largest Rayleigh quotient of Df that power iteration with a shift finds."""
    # With s >= ‖Df‖ the matrix (Df + Df*)/2 + s has its largest eigenvalue in modulus where
    # that of the symmetric part is largest.
    points = points[: problem.chunk]
    jacobian = Jacobian(problem.call, points)
    v = unit(problem.target.randn(*points.shape))
    shift, best = (
        torch.zeros(len(points)).to(points),
        torch.full((len(points),), -torch.inf).to(points),
    )
    for _ in range(_ITERATIONS):
        forth, back = jacobian.push(v), jacobian.pull(v)
        best = torch.maximum(best, (forth * v).flatten(1).sum(dim=1))
        shift = torch.maximum(shift, torch.maximum(norms(forth), norms(back)))
        v = unit(0.5 * (forth + back) + spread(shift, v) * v)
    slack = problem.target.tolerance(problem.size) * (1 + shift)
    return worst("largest eigenvalue of (Df + Df*)/2", best, slack, points)


@attacks(equivariant_field)
def _(premise: Premise, target: Target) -> Finding:
    """Apply elements of the group before and after the field."""
    flow, twin = _at_some_time(premise.subject, target)
    return compare(premise.values["symmetry"], target, flow, twin=twin)


@attacks(growth_field)
def _(premise: Premise, target: Target) -> Finding:
    """Look for z >= 0 and h where ‖max(z + h f, 0)‖ exceeds ‖z‖ + h c √P."""
    field: Any = premise.subject
    known = field.growth()
    if known is None:
        msg = f"{type(field).__name__} reports no growth()"
        raise NotAttackedError(msg)
    flow, twin = _at_some_time(field, target)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    points = sample_points(problem, cost=2.0).abs()
    claimed = float(known[0].detach()) * math.prod(problem.shape[1:]) ** 0.5
    steps = target.log_uniform(len(points), -3.0, 3.0)
    moved = (points + spread(steps, points) * problem(points)).clamp(min=0)
    slack = target.rounding(problem.size) * (norms(moved) + norms(points)) / steps
    slack = slack + problem.rounding(points)
    return Finding(
        claimed, (worst("growth per h", (norms(moved) - norms(points)) / steps, slack, points),)
    )


@attacks(independent_samples)
def _(premise: Premise, target: Target) -> Finding:
    """Move some samples, and look at the field at the others."""
    flow, time, z = prepared(premise.subject), some_time(premise.subject, target), target.inputs
    chosen = z[torch.arange(_SAMPLES, device=z.device) % len(z)]
    points = chosen + target.scale * target.randn(*chosen.shape)
    why = mixing(lambda state: flow(time, state), points)
    evidence = {} if why is None else {"x": points}
    trial = Trial("moving other samples", _SAMPLES, float(why is not None), 0.0, evidence)
    return Finding(0.0, (trial,), note=why or "")


@attacks(step_within)
def _(premise: Premise, target: Target) -> Finding:
    """Read h and its limit anew, and check that the step really goes as far as h."""
    step = premise.subject
    h, limit = _constant(step, "size"), _constant(step, "limit")
    limit = limit * premise.values["fraction"]
    slack = 4 * torch.finfo(target.stored).eps * abs(limit)
    # h < 0 lies below the interval as far as h' = limit + |h| lies above it.
    measured = h if h >= 0 else limit + abs(h)
    against = Trial("h against its limit", 1, measured, slack, {"h": torch.tensor(h)})
    trials = (against, *_walked(step, target, h, limit))
    return Finding(limit, trials, note=f"h = {h:.6g}, limit {limit:.6g}")


def _walked(step: nn.Module, target: Target, h: float, limit: float) -> list[Trial]:
    """Take the step once by the module and once by its integrator with the h that it reports."""
    if not isinstance(step, Step):
        return []
    z = target.inputs
    with torch.no_grad():
        expected = advance(step.field, step.integrator, h, step.time, z)
        off = float(norms(step(z) - expected).max())
        size = float((norms(expected) + norms(z)).max())
    slack = target.tolerance(z[0].numel()) * size
    measured = min(h, limit) if off <= slack else limit + off  # NaN stays
    return [Trial("the step that forward takes, in units of h", 1, measured, slack)]
