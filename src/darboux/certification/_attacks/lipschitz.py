"""The attack on Lipschitz constants: random pairs, gradient ascent, Jacobians."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from darboux.certification._attacks.from_below import attack_from_below, turned
from darboux.certification._attacks.jacobian_power import jacobian_power
from darboux.certification._attacks.pairs import Pairs, measure, pair_ascent, random_pairs
from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import (
    Finding,
    NotAttackedError,
    Trial,
    attack,
    method_of,
)
from darboux.certification._jacobian import Jacobian
from darboux.certification._problem import Map, Problem, in_other_precision, norms, spread, unit
from darboux.certification._target import Target
from darboux.structure import Averaged, BiLipschitz, Isometric, LinearGrowth, Lipschitz


def attack_constant(
    call: Map, target: Target, *, claimed: float, twin: Map | None = None
) -> Finding:
    """Try to pull two points further apart than a Lipschitz constant allows."""
    problem = Problem(call, target, twin=twin)
    pairs = random_pairs(problem)
    return _attack_from_above(problem, pairs, *pair_ascent(problem, pairs), claimed=claimed)


def _attack_from_above(
    problem: Problem, pairs: Pairs, ascended: Pairs, *, claimed: float
) -> Finding:
    # Three attacks that share nothing but their base points; each ends in pairs whose
    # difference quotient is computed from values alone.
    relative = problem.target.tolerance(problem.size)
    jacobians, bases = jacobian_power(problem, ascended)
    trials = (
        jacobians.trial(
            problem, "Jacobian power iteration", bases, relative=relative, claimed=claimed
        ),
        ascended.trial(
            problem, "gradient ascent on pairs", len(ascended), relative=relative, claimed=claimed
        ),
        pairs.trial(problem, "random pairs", len(pairs), relative=relative, claimed=claimed),
    )
    lost = pairs.lost() + ascended.lost() + jacobians.lost()
    notes = [problem.note(), f"{lost} pairs had values that are not finite" if lost else ""]
    return Finding(claimed, trials, "; ".join(note for note in notes if note))


@attack.register
def _(structure: Lipschitz, target: Target) -> Finding:
    twin = in_other_precision(target)
    return attack_constant(target.module, target, claimed=structure.constant, twin=twin)


@attack.register
def _(structure: Averaged, target: Target) -> Finding:
    """Attack N = (φ - (1-α) id)/α, which must be nonexpansive; for α = 0, φ - id as constant."""
    alpha = structure.alpha
    other = in_other_precision(target)
    twin = None if other is None else _rest(other, alpha)
    claimed = 0.0 if alpha == 0 else 1.0
    return attack_constant(_rest(target.module, alpha), target, claimed=claimed, twin=twin)


def _rest(call: Map, alpha: float) -> Map:
    def rest(z: Tensor) -> Tensor:
        value = call(z)
        if value.shape != z.shape:
            shapes = f"{tuple(z.shape)} to {tuple(value.shape)}"
            msg = f"an averaged map keeps shapes; this one maps {shapes}"
            raise NotAttackedError(msg)
        return value - z if alpha == 0 else (value - (1 - alpha) * z) / alpha

    return rest


_ITERATIONS = 12


@attack.register
def _(structure: Isometric, target: Target) -> Finding:
    """Look for |‖φ(x) - φ(y)‖ / ‖x - y‖ - 1| > 0 at random and where DᵀD - 1 is largest."""
    del structure
    problem = Problem(target.module, target)
    chance, sought = random_pairs(problem), _along_deviations(problem)
    relative = target.tolerance(problem.size)
    trials = (
        _deviation("power iteration on DᵀD - 1", sought, relative),
        _deviation("random pairs", chance, relative),
    )
    return Finding(0.0, trials, problem.note())


def _along_deviations(problem: Problem) -> Pairs:
    """Return pairs along the eigenvectors of DᵀD - 1 with the largest modulus."""
    points = sample_points(problem, cost=3.0 * _ITERATIONS)[: problem.places(problem.chunk)]
    jacobian = Jacobian(problem.call, points)
    v = unit(problem.target.randn(*points.shape))
    for _ in range(_ITERATIONS):
        moved = jacobian.pull(jacobian.push(v)) - v
        v = unit(moved + 1e-12 * v)  # an exact isometry moves nothing
    size = norms(points).clamp(min=problem.target.scale * problem.size**0.5)
    return measure(problem, points, points + spread(1e-3 * size, v) * v)


def _deviation(name: str, pairs: Pairs, relative: float) -> Trial:
    usable = pairs.quotient >= 0
    off = (pairs.quotient - 1).abs()
    excess = (off - pairs.rounding).where(usable, off.new_tensor(-1.0))
    k = int(excess.argmax())
    evidence = {"x": pairs.x[k].clone(), "y": pairs.y[k].clone()}
    return Trial(name, len(pairs), float(off[k]), float(pairs.rounding[k]) + relative, evidence)


@attack.register
def _(structure: LinearGrowth, target: Target) -> Finding:
    """Look for z >= 0 with ‖φ(z)‖ > ‖z‖ + c √P, or with a negative entry of φ(z)."""
    problem = Problem(target.module, target)
    points = sample_points(problem, cost=1.0).abs()
    values = problem(points)
    before, after = norms(points), norms(values)
    allowed = structure.increment * math.sqrt(math.prod(target.inputs.shape[2:]))
    slack = target.rounding(problem.size) * (before + after)
    # A negative entry is a violation of its own: it counts from c √P upwards.
    below = allowed - values.reshape(len(values), -1).amin(dim=1)
    trials = (
        worst("norms at nonnegative noise, scales 1e-3 to 1e3", after - before, slack, points),
        worst("smallest entries", below, slack, points),
    )
    return Finding(allowed, trials, problem.note())


@attack.register
def _(structure: BiLipschitz, target: Target) -> Finding:
    """Attack L and μ on the map, and 1/μ on its inverse if there is one, relative to the claim."""
    third = replace(target, share=target.share / 3)
    twin = in_other_precision(third)
    problem = Problem(third.module, third, twin=twin)
    pairs = random_pairs(problem)
    below = [turned(pairs)] if structure.lower > 0 else []
    ascended, *descended = pair_ascent(problem, pairs, *below)
    upper = _attack_from_above(problem, pairs, ascended, claimed=structure.upper)
    trials = _relative("φ", upper, structure.upper)
    if below:
        seen = max(trial.measured for trial in upper.trials)
        found = below[0], turned(descended[0])
        trials += attack_from_below(problem, *found, claimed=structure.lower, stretch=seen)
        if callable(getattr(target.module, "inverse", None)):
            inverse = method_of(target.module, "inverse(y)")
            lower = attack_constant(inverse, _image(third), claimed=1 / structure.lower)
            trials += _relative("φ⁻¹", lower, 1 / structure.lower)
    return Finding(1.0, trials, upper.note)


def _image(target: Target) -> Target:
    """Return the same target around the values of the map."""
    with torch.no_grad():
        values: Tensor = target.module(target.inputs)
    return replace(target, inputs=values, twin=None)


def _relative(name: str, finding: Finding, claimed: float) -> tuple[Trial, ...]:
    """Return the trials with quotients divided by the claimed constant."""
    unit = max(claimed, 1e-300)
    return tuple(
        replace(
            trial,
            attack=f"{trial.attack} on {name}",
            measured=trial.measured / unit,
            tolerance=trial.tolerance / unit,
        )
        for trial in finding.trials
    )
