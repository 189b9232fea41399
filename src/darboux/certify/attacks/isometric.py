"""The attack on isometries."""

from __future__ import annotations

from darboux.certify.attacks.random_pairs import random_pairs
from darboux.certify.attacks.sampling import sample_points
from darboux.certify.finding import Finding, Trial
from darboux.certify.jacobian import Jacobian
from darboux.certify.pairs import Pairs, measure
from darboux.certify.problem import Problem, norms, spread, unit
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import Isometric

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
    points = sample_points(problem, cost=3.0 * _ITERATIONS)[: problem.chunk]
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
