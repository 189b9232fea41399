"""The attack on log-determinants."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.attacks.sampling import sample_points, worst
from darboux.certify.attacks.volume import dense_jacobian
from darboux.certify.finding import Finding, NotAttackedError
from darboux.certify.problem import Problem
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import LogDeterminant

_LARGEST = 512
_POINTS = 8


@attack.register
def _(structure: LogDeterminant, target: Target) -> Finding:
    """Compare the returned number with log|det| of the dense Jacobian."""
    del structure
    pair = getattr(target.module, "forward_and_log_det", None)
    if not callable(pair):
        msg = f"{type(target.module).__name__} has no method forward_and_log_det(x)"
        raise NotAttackedError(msg)
    problem = Problem(target.module, target)
    n = problem.size
    if n > _LARGEST:
        msg = (
            f"a dense Jacobian of {n} dimensions is too large (at most {_LARGEST}); "
            "certify with a smaller example"
        )
        raise NotAttackedError(msg)
    points = sample_points(problem, cost=2.0 * n)[:_POINTS]
    with torch.no_grad():
        claimed: Tensor = pair(points)[1]
    matrices = [dense_jacobian(problem.call, point, chunk=problem.chunk) for point in points]
    exact = torch.stack([torch.linalg.slogdet(matrix)[1] for matrix in matrices])
    conditions = torch.stack([torch.linalg.cond(matrix) for matrix in matrices])
    slack = target.rounding(n) * (1 + conditions + claimed.abs()) + n * target.tolerance(n)
    error = (claimed - exact).abs()
    name = "returned number against log|det Dφ|, dense"
    return Finding(0.0, (worst(name, error, slack, points),), problem.note())
