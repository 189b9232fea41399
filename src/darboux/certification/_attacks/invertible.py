"""The attacks on inverses, determinants and volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import (
    Finding,
    NotAttackedError,
    Trial,
    attack,
    method_of,
)
from darboux.certification._jacobian import Jacobian
from darboux.certification._problem import Map, Problem, norms
from darboux.certification._target import Target
from darboux.structure import Invertible, LogDeterminant, VolumePreserving

_LARGEST = 512  # dimensions of a dense Jacobian

_POINTS = 8


@attack.register
def _(structure: Invertible, target: Target) -> Finding:
    """Look for points that do not come back, in either order."""
    del structure
    inverse = method_of(target.module, "inverse(y)")
    problem = Problem(target.module, target)
    points = sample_points(problem, cost=2.0)
    values = problem(points)
    there_and_back = _round_trip("φ⁻¹(φ(x)) = x", points, values, inverse, target)
    back_and_there = _round_trip(
        "φ(φ⁻¹(y)) = y", values, _in_parts(inverse, values), target.module, target
    )
    return Finding(0.0, (there_and_back, back_and_there), problem.note())


def _round_trip(name: str, start: Tensor, middle: Tensor, back: Map, target: Target) -> Trial:
    """Return the worst relative error; it may be as large as rounding of the middle point."""
    end = _in_parts(back, middle)
    size = norms(start).clamp(min=torch.finfo(start.dtype).tiny)
    rounding = target.rounding(start[0].numel())
    slack = rounding * (1 + (1 + stretch(back, middle, end, target)) * norms(middle) / size)
    return worst(name, norms(end - start) / size, slack, start)


def stretch(back: Map, middle: Tensor, end: Tensor, target: Target) -> Tensor:
    """Return by how much the way back magnifies rounding at the middle points, (P,)."""
    # Its Lipschitz constant there, ‖back(m + δ) - back(m)‖ / ‖δ‖ for a small δ.
    small = target.randn(*middle.shape)
    small = small * (1e-4 * norms(middle) / norms(small)).reshape(-1, *(1,) * (middle.ndim - 1))
    return norms(_in_parts(back, middle + small) - end) / norms(small).clamp(min=1e-300)


def _in_parts(call: Map, points: Tensor) -> Tensor:
    with torch.no_grad():
        return call(points)


@attack.register
def _(structure: LogDeterminant, target: Target) -> Finding:
    """Compare the returned number with log|det| of the dense Jacobian."""
    del structure
    pair = method_of(target.module, "forward_and_log_det(x)")
    found = _dense_determinants(target)
    with torch.no_grad():
        claimed: Tensor = pair(found.points)[1]
    error, slack = (claimed - found.log_det).abs(), found.slack(target, claimed.abs())
    name = "returned number against log|det Dφ|, dense"
    return Finding(0.0, (worst(name, error, slack, found.points),), found.problem.note())


@attack.register
def _(structure: VolumePreserving, target: Target) -> Finding:
    """Compute log|det Dφ| of the dense Jacobian."""
    del structure
    found = _dense_determinants(target)
    slack = found.slack(target)
    return Finding(
        0.0,
        (worst("|log|det Dφ||, dense", found.log_det.abs(), slack, found.points),),
        found.problem.note(),
    )


@final
@dataclass(frozen=True)
class _Determinants:
    """log|det Dφ| of dense Jacobians at some points, (P,), and their condition numbers."""

    problem: Problem
    points: Tensor
    log_det: Tensor
    condition: Tensor

    def slack(self, target: Target, size: Tensor | float = 0.0) -> Tensor:
        """Return what rounding may add, for log-determinants up to a size."""
        n = self.problem.size
        return target.rounding(n) * (1 + self.condition + size) + n * target.tolerance(n)


def _dense_determinants(target: Target) -> _Determinants:
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
    return _Determinants(problem, points, log_det, condition)


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
