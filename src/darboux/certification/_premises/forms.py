"""The attacks on the form that a field has: canonical, separable, passive, a sum of parts."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from darboux.certification._attacks.invertible import dense_jacobian
from darboux.certification._attacks.phase import flip, halves
from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import (
    Finding,
    NotAttackedError,
    Trial,
    attacks,
    method_of,
)
from darboux.certification._premises.fields import in_both_precisions, step_time
from darboux.certification._problem import Problem, norms
from darboux.certification._target import Target, windowed
from darboux.structure import (
    Premise,
    autonomous_field,
    canonical_field,
    divergence_free_parts,
    gradient_of_energy,
    passive_form,
    reversible_field,
    separable_field,
)

_TIMES = (0.0, 0.37, -1.3, 11.0)

_FEW = 4  # points for determinants

_LARGEST = 512  # dimensions of a dense Jacobian

_STEP = 1e-3


@attacks(canonical_field)
def _(premise: Premise, target: Target) -> Finding:
    """Compare the field with J∇energy."""
    field = premise.subject
    problem, points = _places(field, target)
    slope = _energy_gradient(field, target, points)
    position, momentum = halves(slope, axis=1)
    canonical = torch.cat([momentum, -position], dim=1)
    name = "field against J∇energy"
    return Finding(0.0, (_difference(name, problem(points), canonical, problem, points),))


@attacks(separable_field)
def _(premise: Premise, target: Target) -> Finding:
    """Exchange the halves that drift and kick must not look at; add them up to the field."""
    field: Any = premise.subject
    problem, points = _places(field, target)
    z, p = halves(points, axis=1)
    other_z, other_p = (part.flip(0) + target.randn(*part.shape) for part in (z, p))
    time = step_time(target)
    with torch.no_grad():
        drift, kick = field.drift(time, z, p), field.kick(time, z, p)
        moved = torch.cat([field.drift(time, other_z, p), field.kick(time, z, other_p)], dim=1)
        whole = torch.cat([drift, kick], dim=1)
    trials = (
        _difference("drift with another z, kick with another p", moved, whole, problem, points),
        _difference("field against (drift, kick)", problem(points), whole, problem, points),
    )
    return Finding(0.0, trials)


@attacks(reversible_field)
def _(premise: Premise, target: Target) -> Finding:
    """Compare f(ρz) with -ρf(z)."""
    problem, points = _places(premise.subject, target)
    flipped = problem(flip(points, axis=1))
    trial = _difference(
        "f(ρz) against -ρf(z)", flipped, -flip(problem(points), axis=1), problem, points
    )
    return Finding(0.0, (trial,))


@attacks(autonomous_field)
def _(premise: Premise, target: Target) -> Finding:
    """Evaluate the field, and its energy where it has one, at other times."""
    field: Any = premise.subject
    problem, points = _places(field, target)
    value, energy, trials = problem(points), getattr(field, "energy", None), []
    with torch.no_grad():
        for time in _TIMES:
            name = f"f at t = {time:g} against the step's t"
            trials.append(_difference(name, field(time, points), value, problem, points))
            if energy is not None:
                here, there = energy(step_time(target), points), energy(time, points)
                pair = (there.unsqueeze(1), here.unsqueeze(1))
                trials.append(_difference(f"H at t = {time:g}", *pair, problem, points))
    return Finding(0.0, tuple(trials))


def _places(field: Any, target: Target) -> tuple[Problem, Tensor]:
    """Return a field at the step's time as a problem, and points to try."""
    flow, twin = in_both_precisions(field, target)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    return problem, sample_points(problem, cost=6.0)[:16].detach()


def _difference(name: str, left: Tensor, right: Tensor, problem: Problem, points: Tensor) -> Trial:
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


def _energy_gradient(field: nn.Module, target: Target, points: Tensor) -> Tensor:
    """Return ∇H of the field's own ``energy`` at points, by automatic differentiation."""
    energy = method_of(field, "energy(t, z)")
    z = points.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(energy(step_time(target), z).sum(), z)
    return slope.detach()


@attacks(passive_form)
def _(premise: Premise, target: Target) -> Finding:
    """Compare f with S∇H and ∇H with the energy; try the sign of ⟨g, S g⟩ on random g."""
    field: Any = premise.subject
    problem, points = _places(field, target)
    time = step_time(target)
    slope = _energy_gradient(field, target, points)
    with torch.no_grad():
        gradient = field.gradient(time, points)
        steered = field.steer(time, points, slope)
    trials = [
        _difference("gradient against ∇energy", gradient, slope, problem, points),
        _difference("field against S∇energy", problem(points), steered, problem, points),
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
    problem, points = _places(premise.subject, target)
    slope = _energy_gradient(premise.subject, target, points)
    value = problem(points)
    size = (norms(value) + norms(slope)).clamp(min=torch.finfo(points.dtype).tiny)
    # Both are sums over all features and the kernel; antiderivatives may use a series.
    slack = 16 * (target.rounding(problem.size) + problem.observed_rounding(points) / size)
    trial = worst("field against -∇energy", norms(value + slope) / size, slack, points)
    return Finding(0.0, (trial,))


@attacks(divergence_free_parts)
def _(premise: Premise, target: Target) -> Finding:
    """Compare the field with the speeds of its parts, and log|det| of each part's flow with 0."""
    field: Any = premise.subject
    problem, points = _places(field, target)
    points = points[:_FEW]
    time = step_time(target)
    parts = method_of(field, "parts()")()
    with torch.no_grad():
        speed = torch.stack([_speed(part, time, points) for part in parts]).sum(dim=0)
    name = "field against the speeds of its parts"
    value = problem(points)
    size = (norms(value) + norms(speed)).clamp(min=torch.finfo(points.dtype).tiny)
    # the quotient of differences is exact to h⁴, and to rounding of the points over h
    lost = problem.target.rounding(problem.size) * norms(points) / _STEP
    trial = worst(name, norms(value - speed) / size, 1e-8 + 16 * lost / size, points)
    return Finding(0.0, (trial, *_volumes(parts, time, problem, points)))


def _speed(part: Any, time: float, z: Tensor) -> Tensor:
    """Return d/dh of a part's flow at h = 0, by a fourth-order difference."""
    near = part.flow(time, _STEP, z) - part.flow(time, -_STEP, z)
    far = part.flow(time, 2 * _STEP, z) - part.flow(time, -2 * _STEP, z)
    return (8 * near - far) / (12 * _STEP)


def _volumes(parts: Any, time: float, problem: Problem, points: Tensor) -> tuple[Trial, ...]:
    n = problem.size
    if n > _LARGEST:
        return ()
    h = 0.5 / float(norms(problem(points)).max().clamp(min=1e-3))
    found = torch.zeros(len(points), dtype=points.dtype)
    slack = torch.zeros_like(found)
    for part in parts:
        call = partial(part.flow, time, h)
        matrices = [dense_jacobian(call, point) for point in points]
        volumes = torch.stack([torch.linalg.slogdet(matrix)[1].abs() for matrix in matrices])
        conditions = torch.stack([torch.linalg.cond(matrix) for matrix in matrices])
        allowed = problem.target.rounding(n) * (1 + conditions) * n
        worse = volumes - allowed > found - slack
        found, slack = torch.where(worse, volumes, found), torch.where(worse, allowed, slack)
    return (worst("|log|det|| of the flows of the parts", found, slack, points),)
