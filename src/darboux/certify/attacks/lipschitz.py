"""The attack on Lipschitz constants: random pairs, gradient ascent, Jacobians."""

from __future__ import annotations

from torch import nn

from darboux.certify.attacks.jacobian_power import jacobian_power
from darboux.certify.attacks.pair_ascent import pair_ascent
from darboux.certify.attacks.random_pairs import random_pairs
from darboux.certify.finding import Finding
from darboux.certify.problem import Map, Problem
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import Lipschitz


def attack_constant(
    call: Map, target: Target, *, claimed: float, coarse: Map | None = None
) -> Finding:
    """Try to pull two points further apart than a Lipschitz constant allows.

    Three attacks that share nothing but their base points; each ends in pairs whose
    difference quotient is computed from values alone.

    Args:
        call: the map on batches.
        target: where to look and how hard.
        claimed: the constant.
        coarse: the same map in float32, for searching.

    Example:
        >>> from darboux.certify.effort import Effort
        >>> quick, generator = Effort.named("quick"), torch.Generator().manual_seed(0)
        >>> target = Target(torch.nn.ReLU(), torch.ones(1, 4), quick, generator)
        >>> attack_constant(lambda x: 3 * x, target, claimed=2.0).refuted
        True
    """
    problem = Problem(call, target, coarse=coarse)
    relative = target.tolerance(problem.size)
    pairs = random_pairs(problem)
    ascended, climbs = pair_ascent(problem, pairs)
    jacobians, bases = jacobian_power(problem, ascended)
    trials = (
        jacobians.trial("Jacobian power iteration", bases, relative=relative),
        ascended.trial("gradient ascent on pairs", climbs, relative=relative),
        pairs.trial("random pairs", len(pairs), relative=relative),
    )
    lost = pairs.lost() + ascended.lost() + jacobians.lost()
    notes = [problem.note(), f"{lost} pairs had values that are not finite" if lost else ""]
    return Finding(claimed, trials, "; ".join(note for note in notes if note))


@attack.register
def _(structure: Lipschitz, target: Target) -> Finding:
    coarse = None if target.coarse is None else in_float32(target.coarse)
    return attack_constant(target.module, target, claimed=structure.constant, coarse=coarse)


def in_float32(module: nn.Module) -> Map:
    """Return a map on float64 points that a float32 module computes.

    Example:
        >>> in_float32(nn.Linear(2, 2))(torch.ones(1, 2, dtype=torch.float64)).dtype
        torch.float64
    """
    return lambda points: module(points.float()).double()
