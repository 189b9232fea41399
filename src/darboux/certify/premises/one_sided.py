"""The attack on one-sided Lipschitz constants."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.attacks.random_pairs import random_points
from darboux.certify.attacks.sampling import worst
from darboux.certify.finding import Finding, Trial
from darboux.certify.jacobian import Jacobian
from darboux.certify.premises.fields import constant, in_both_precisions
from darboux.certify.problem import Problem, norms, spread, unit
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.certify.window import windowed
from darboux.structure import OneSidedField

_ITERATIONS = 30


@attack_premise.register
def _(premise: OneSidedField, target: Target) -> Finding:
    """⟨Δf, Δz⟩ / ‖Δz‖² on pairs, and the largest eigenvalue of (Df + Df*)/2 by iteration."""
    claimed = constant(premise.subject, "one_sided_lipschitz")
    flow, twin = in_both_precisions(premise.subject, target)
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
    slack = slack + 4 * problem.observed_rounding(points) / way
    return worst("⟨Δf, Δz⟩ / ‖Δz‖² on pairs", quotient, slack, points)


def _eigenvalue(problem: Problem, points: Tensor) -> Trial:
    """Return the largest Rayleigh quotient of Df that power iteration with a shift finds.

    With s >= ‖Df‖ the matrix (Df + Df*)/2 + s has its largest eigenvalue in modulus where
    that of the symmetric part is largest.
    """
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
