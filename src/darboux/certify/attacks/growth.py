"""The attack on linear growth."""

from __future__ import annotations

import math

from darboux.certify.attacks.sampling import sample_points, worst
from darboux.certify.finding import Finding
from darboux.certify.problem import Problem, norms
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import LinearGrowth


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
