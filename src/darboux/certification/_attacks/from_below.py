"""The attack on lower Lipschitz constants: pairs that a map brings too close together."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from darboux.certification._attacks.jacobian_power import along
from darboux.certification._attacks.pairs import Pairs
from darboux.certification._attacks.sampling import random_points
from darboux.certification._finding import Trial
from darboux.certification._jacobian import Jacobian, dense_jacobians, largest_singular
from darboux.certification._problem import Problem, spread, unit

_DENSE = 256  # dimensions up to which Jacobians are written out

_ITERATIONS = 40

_SMALLEST = 1e-6  # of what is claimed: quotients below it are as bad


def attack_from_below(
    problem: Problem, pairs: Pairs, descended: Pairs, *, claimed: float, stretch: float
) -> tuple[Trial, ...]:
    """Try to bring two points closer together than μ ‖x - y‖; trials are relative to μ.

    The pairs are `turned`. A singular value is known up to rounding of the largest, `stretch`.
    """
    squeezed = turned(_squeezed(problem, descended))
    found = (
        ("smallest singular values", squeezed, len(squeezed)),
        ("gradient descent on pairs", descended, len(descended)),
        ("random pairs", pairs, len(pairs)),
    )
    rounding = problem.target.tolerance(problem.size) * stretch
    trials = (p.trial(problem, what, n, relative=0.0, claimed=-claimed) for what, p, n in found)
    return tuple(_relative(trial, claimed, rounding) for trial in trials)


def turned(pairs: Pairs) -> Pairs:
    """Return pairs with negative quotients, so that the best ones are the closest together."""
    lost = torch.full_like(pairs.quotient, -torch.inf)
    return replace(pairs, quotient=torch.where(pairs.quotient < 0, lost, -pairs.quotient))


def _relative(trial: Trial, claimed: float, rounding: float) -> Trial:
    """Return a trial on -q >= -μ as one on μ/q >= 1."""
    quotient = max(-trial.measured, _SMALLEST * claimed)
    ratio = claimed / quotient
    slack = ratio - claimed / (quotient + trial.tolerance + rounding)
    return replace(trial, attack=f"{trial.attack} on φ", measured=ratio, tolerance=slack)


def _squeezed(problem: Problem, descended: Pairs) -> Pairs:
    """Return pairs along singular vectors of the smallest singular values that are found."""
    cost = problem.size if problem.size <= _DENSE else 2.0 * _ITERATIONS
    wanted = problem.places(max(problem.least, problem.target.effort.points))
    count = problem.afford(wanted, fraction=0.3, calls=3.0 * cost, least=2)
    some = descended.best(max(1, count // 2))
    points = torch.cat([random_points(problem, count - len(some)), (some.x + some.y) / 2])
    find = _dense if problem.size <= _DENSE else _searched
    tangents = torch.cat([find(problem, part) for part in points.split(problem.chunk)])
    return along(problem, points, tangents)


def _dense(problem: Problem, points: Tensor) -> Tensor:
    """Return singular vectors of the smallest singular value of whole Jacobians."""
    matrices = dense_jacobians(problem.call, points, chunk=problem.chunk)
    matrices = matrices.double().nan_to_num(0.0, 0.0, 0.0)
    vectors = torch.linalg.eigh(matrices.mT @ matrices)[1][..., 0]
    return vectors.to(points).reshape(points.shape)


def _searched(problem: Problem, points: Tensor) -> Tensor:
    """Return tangents that Jacobians shrink, by power iteration on s² - DᵀD with s >= ‖D‖."""
    jacobian = Jacobian(problem.call, points)
    v = unit(problem.target.randn(*points.shape))
    largest = 1.1 * largest_singular(jacobian, v, iterations=8)[0]
    for _ in range(_ITERATIONS):
        v = unit(spread(largest.square(), v) * v - jacobian.pull(jacobian.push(v)))
    return v.nan_to_num(0.0, 0.0, 0.0)
