"""The attacks on inverses, determinants and volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import final

import torch
from torch import Tensor, nn

from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import (
    Finding,
    NotAttackedError,
    Trial,
    attack,
    method_of,
)
from darboux.certification._jacobian import Jacobian, dense_jacobians
from darboux.certification._problem import Map, Problem, in_other_precision, norms, widened
from darboux.certification._rounding import UNDECIDED
from darboux.certification._target import Target, windowed
from darboux.structure import Invertible, LogDeterminant, VolumePreserving, maps_of

_LARGEST = 512  # dimensions of a dense Jacobian, whatever the effort

_FEW = 8  # points for dense Jacobians

_ENTRIES = 2**16  # of all Jacobians, where more points fit

ROUND_TRIP = 20.0  # evaluations, most of them to find out what rounding does


@attack.register
def _(structure: Invertible, target: Target) -> Finding:
    """Look for points that do not come back, in either order."""
    del structure
    there, back = _there_and_back(target)
    points = sample_points(there, cost=ROUND_TRIP)
    values = there(points)
    trials = (
        round_trip("φ⁻¹(φ(x)) = x", points, there, back),
        round_trip("φ(φ⁻¹(y)) = y", values, back, there),
    )
    return Finding(0.0, trials, there.note())


def _there_and_back(target: Target, *, mixes: bool | None = None) -> tuple[Problem, Problem]:
    """Return a map and its inverse as problems; a whole batch is one point if either mixes."""
    inverse, twin = _inverse(target.module), in_other_precision(target)
    there = Problem(target.module, target, twin=twin, mixes=mixes)
    values = there(there.points)
    around = replace(target, inputs=values[0] if there.mixes else values)
    other = None if target.twin is None else in_other_precision(target, _inverse(target.twin))
    back = Problem(inverse, around, twin=other, mixes=mixes)
    return (there, back) if there.mixes is back.mixes else _there_and_back(target, mixes=True)


def _inverse(module: nn.Module) -> Map:
    """Return the inverse of a map, or of the maps that it consists of, the last one first."""
    maps = [part for _, part in maps_of(module) if part is not module]
    if hasattr(module, "inverse") or not maps:
        return method_of(module, "inverse(y)")
    inverses = [_inverse(part) for part in reversed(maps)]
    return lambda y: reduce(lambda z, inverse: inverse(z), inverses, y)


def round_trip(name: str, start: Tensor, there: Problem, back: Problem) -> Trial:
    """Return the worst error of a way there and back, relative to both ends."""
    middle = there(start)
    end, size = back(middle), norms(start).clamp(min=torch.finfo(start.dtype).tiny)
    error = norms(end - start) / size

    def rounding(k: Tensor) -> Tensor:
        # the way back alone counts once more, for iterations that hide what errors do on the way
        return (there.rounding(start[k], then=back) + back.rounding(middle[k])) / size[k]

    unit = there.target.rounding(there.size)
    slack = widened(
        torch.full_like(error, unit), error, lambda k: unit * norms(middle[k]) / size[k]
    )
    slack = widened(slack, error, rounding)
    told = slack <= UNDECIDED
    if not bool(told.any()):
        msg = f"rounding alone may move every point by more than {UNDECIDED:.0%}"
        raise NotAttackedError(msg)
    return worst(name, error[told], slack[told], start[told])


@attack.register
def _(structure: LogDeterminant, target: Target) -> Finding:
    """Compare the returned number with log|det| of the dense Jacobian."""
    del structure
    pair = method_of(target.module, "forward_and_log_det(x)")
    found = _dense_determinants(target)
    with torch.no_grad():
        claimed = found.problem.total(lambda x: pair(x)[1], found.points)
    error, slack = (claimed - found.log_det).abs(), found.slack(target, claimed.abs())
    name = "returned number against log|det Dφ|, dense"
    return Finding(0.0, (worst(name, error, slack, found.points),), found.note)


@attack.register
def _(structure: VolumePreserving, target: Target) -> Finding:
    """Compute log|det Dφ| of the dense Jacobian."""
    del structure
    found = _dense_determinants(target)
    slack = found.slack(target)
    return Finding(
        0.0,
        (worst("|log|det Dφ||, dense", found.log_det.abs(), slack, found.points),),
        found.note,
    )


@final
@dataclass(frozen=True)
class _Determinants:
    """log|det Dφ| of dense Jacobians at some points, (P,), and their condition numbers."""

    problem: Problem
    points: Tensor
    log_det: Tensor
    condition: Tensor

    @property
    def note(self) -> str:
        """Remarks, and the size of the images at which the determinants were computed."""
        at = f"at {'×'.join(map(str, self.points.shape[1:]))}" if self.points.ndim > 2 else ""
        return "; ".join(note for note in (self.problem.note(), at) if note)

    def slack(self, target: Target, size: Tensor | float = 0.0) -> Tensor:
        """Return what rounding may add, for log-determinants up to a size."""
        n = self.problem.size
        return target.rounding(n) * (1 + self.condition + size) + n * target.tolerance(n)


def _dense_determinants(target: Target) -> _Determinants:
    """Return the determinants of dense Jacobians at a few points."""
    small = windowed(target.module, target, entries=_LARGEST)
    problem = Problem(small.module, small)
    n = problem.size
    if n > _LARGEST and n * (n**2 + 3 * problem.operations) > target.work:
        msg = (
            f"a dense Jacobian of {n} dimensions is too large at this effort (at most {_LARGEST}); "
            "certify with more effort or a smaller example"
        )
        raise NotAttackedError(msg)
    count = max(_FEW, _ENTRIES // n**2)
    points = sample_points(problem, cost=2.0 * n)[:count]
    Jacobian(problem.call, points).check(target.randn(*points.shape))
    matrices = square_jacobians(problem.call, points, chunk=problem.chunk)
    finite = matrices.isfinite().flatten(1).all(dim=1)
    points, matrices = points[finite], matrices[finite]  # far away values overflow
    if not len(points):
        msg = "no Jacobian is finite"
        raise NotAttackedError(msg)
    return _Determinants(
        problem, points, torch.linalg.slogdet(matrices)[1], torch.linalg.cond(matrices)
    )


def square_jacobians(call: Map, points: Tensor, *, chunk: int = 256) -> Tensor:
    """Return the Jacobians at some points, (P, n, n)."""
    matrices = dense_jacobians(call, points, chunk=chunk).double()
    rows, columns = matrices.shape[1:]
    if rows != columns:
        msg = f"volume needs as many outputs as inputs; got {columns} -> {rows}"
        raise NotAttackedError(msg)
    return matrices
