"""The attack on volume preservation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import Finding, NotAttackedError, attack
from darboux.certification._jacobian import Jacobian
from darboux.certification._problem import Map, Problem
from darboux.certification._target import Target
from darboux.structure import VolumePreserving

_LARGEST = 512

_POINTS = 8


@attack.register
def _(structure: VolumePreserving, target: Target) -> Finding:
    """Compute log|det Dφ| of the dense Jacobian."""
    del structure
    found = dense_determinants(target)
    slack = found.slack(target)
    return Finding(
        0.0,
        (worst("|log|det Dφ||, dense", found.log_det.abs(), slack, found.points),),
        found.problem.note(),
    )


@final
@dataclass(frozen=True)
class Determinants:
    """log|det Dφ| of dense Jacobians at some points, (P,), and their condition numbers."""

    problem: Problem
    points: Tensor
    log_det: Tensor
    condition: Tensor

    def slack(self, target: Target, size: Tensor | float = 0.0) -> Tensor:
        """Return what rounding may add, for log-determinants up to a size."""
        n = self.problem.size
        return target.rounding(n) * (1 + self.condition + size) + n * target.tolerance(n)


def dense_determinants(target: Target) -> Determinants:
    """Return the determinants of dense Jacobians at a few points."""
    problem = Problem(target.module, target)
    n = problem.size
    if n > _LARGEST:
        msg = (
            f"a dense Jacobian of {n} dimensions is too large (at most {_LARGEST}); "
            "certify with a smaller example"
        )
        raise NotAttackedError(msg)
    points = sample_points(problem, cost=2.0 * n)[:_POINTS]
    matrices = [dense_jacobian(problem.call, point, chunk=problem.chunk) for point in points]
    log_det = torch.stack([torch.linalg.slogdet(matrix)[1] for matrix in matrices])
    condition = torch.stack([torch.linalg.cond(matrix) for matrix in matrices])
    return Determinants(problem, points, log_det, condition)


def dense_jacobian(call: Map, point: Tensor, *, chunk: int = 256) -> Tensor:
    """Return the Jacobian at one point, (n, n), column by column."""
    n = point.numel()
    basis = torch.eye(n, dtype=point.dtype, device=point.device).reshape(n, *point.shape)
    columns = [
        Jacobian(call, point.expand(len(part), *point.shape)).push(part)
        for part in basis.split(min(chunk, n))
    ]
    matrix = torch.cat(columns).reshape(n, -1).mT
    if matrix.shape[0] != n:
        msg = f"volume needs as many outputs as inputs; got {n} -> {matrix.shape[0]}"
        raise NotAttackedError(msg)
    return matrix
