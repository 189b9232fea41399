"""The attack on volume preservation."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.attacks.sampling import sample_points, worst
from darboux.certify.finding import Finding, NotAttackedError
from darboux.certify.jacobian import Jacobian
from darboux.certify.problem import Problem
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import VolumePreserving

_LARGEST = 512
_POINTS = 8


@attack.register
def _(structure: VolumePreserving, target: Target) -> Finding:
    """Compute log|det Dφ| of the dense Jacobian."""
    del structure
    problem = Problem(target.module, target)
    n = problem.size
    if n > _LARGEST:
        msg = (
            f"a dense Jacobian of {n} dimensions is too large (at most {_LARGEST}); "
            "certify with a smaller example"
        )
        raise NotAttackedError(msg)
    points = sample_points(problem, cost=2.0 * n)[:_POINTS]
    matrices = [_dense(problem, point) for point in points]
    volumes = torch.stack([torch.linalg.slogdet(matrix)[1].abs() for matrix in matrices])
    conditions = torch.stack([torch.linalg.cond(matrix) for matrix in matrices])
    slack = target.rounding(n) * (1 + conditions) + n * target.tolerance(n)
    return Finding(0.0, (worst("|log|det Dφ||, dense", volumes, slack, points),), problem.note())


def _dense(problem: Problem, point: Tensor) -> Tensor:
    """Return the Jacobian at one point, (n, n), column by column."""
    n = problem.size
    basis = torch.eye(n, dtype=point.dtype, device=point.device).reshape(n, *problem.shape)
    columns = [
        Jacobian(problem.call, point.expand(len(part), *problem.shape)).push(part)
        for part in basis.split(min(problem.chunk, n))
    ]
    matrix = torch.cat(columns).reshape(n, -1).mT
    if matrix.shape[0] != n:
        msg = f"volume needs as many outputs as inputs; got {n} -> {matrix.shape[0]}"
        raise NotAttackedError(msg)
    return matrix
