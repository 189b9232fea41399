"""The attack on Lipschitz constants: random pairs, gradient ascent, Jacobians."""

from __future__ import annotations

import torch

from darboux.certify.attacks.jacobian_power import jacobian_power
from darboux.certify.attacks.pair_ascent import pair_ascent
from darboux.certify.attacks.random_pairs import random_pairs
from darboux.certify.finding import Finding
from darboux.certify.problem import Map, Problem
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import Lipschitz


def attack_constant(
    call: Map, target: Target, *, claimed: float, twin: Map | None = None
) -> Finding:
    """Try to pull two points further apart than a Lipschitz constant allows.

    Three attacks that share nothing but their base points; each ends in pairs whose
    difference quotient is computed from values alone.

    Args:
        call: the map on batches.
        target: where to look and how hard.
        claimed: the constant.
        twin: the same map computed in the other precision, if there is one.

    Example:
        >>> from darboux.certify.effort import Effort
        >>> quick, generator = Effort.named("quick"), torch.Generator().manual_seed(0)
        >>> target = Target(torch.nn.ReLU(), torch.ones(1, 4), quick, generator)
        >>> attack_constant(lambda x: 3 * x, target, claimed=2.0).refuted
        True
    """
    problem = Problem(call, target, twin=twin)
    relative = target.tolerance(problem.size)
    pairs = random_pairs(problem)
    ascended, climbs = pair_ascent(problem, pairs)
    jacobians, bases = jacobian_power(problem, ascended)
    trials = (
        jacobians.trial(
            problem, "Jacobian power iteration", bases, relative=relative, claimed=claimed
        ),
        ascended.trial(
            problem, "gradient ascent on pairs", climbs, relative=relative, claimed=claimed
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


def in_other_precision(target: Target) -> Map | None:
    """Return the twin as a map on points of the target's dtype, or None.

    Example:
        >>> from darboux.certify.effort import Effort
        >>> quick, generator = Effort.named("quick"), torch.Generator()
        >>> import torch
        >>> fine, coarse = torch.nn.Linear(2, 2).double(), torch.nn.Linear(2, 2)
        >>> x = torch.ones(1, 2, dtype=torch.float64)
        >>> in_other_precision(Target(fine, x, quick, generator, twin=coarse))(x).dtype
        torch.float64
    """
    twin, dtype = target.twin, target.inputs.dtype
    if twin is None:
        return None
    other = torch.float32 if dtype == torch.float64 else torch.float64
    return lambda points: twin(points.to(other)).to(dtype)
