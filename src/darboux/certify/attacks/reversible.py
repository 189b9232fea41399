"""The attack on reversible maps."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.attacks.sampling import halves, sample_points, worst
from darboux.certify.finding import Finding
from darboux.certify.problem import Problem, norms
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import Reversible


@attack.register
def _(structure: Reversible, target: Target) -> Finding:
    """Look for points where ρφρφ is not the identity."""
    del structure
    problem = Problem(target.module, target)
    points = sample_points(problem, cost=2.0)
    axis = 2 if problem.mixes else 1
    there = problem(points)
    back = _flip(problem(_flip(there, axis)), axis)
    size = norms(points) + norms(there) + torch.finfo(points.dtype).tiny
    slack = 2 * target.tolerance(problem.size)
    trial = worst("ρφρφ = id", norms(back - points) / size, slack, points)
    return Finding(0.0, (trial,), problem.note())


def _flip(z: Tensor, axis: int) -> Tensor:
    """Return ρ(q, p) = (q, -p)."""
    position, momentum = halves(z, axis=axis)
    return torch.cat([position, -momentum], dim=axis)
