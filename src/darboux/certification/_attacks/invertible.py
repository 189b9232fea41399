"""The attack on inverses."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certification._attacks.sampling import halves, sample_points, worst
from darboux.certification._attacks.volume import dense_determinants
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack
from darboux.certification._problem import Map, Problem, norms
from darboux.certification._target import Target
from darboux.structure import Invertible, LogDeterminant, Reversible


@attack.register
def _(structure: Invertible, target: Target) -> Finding:
    """Look for points that do not come back, in either order."""
    del structure
    inverse = getattr(target.module, "inverse", None)
    if not callable(inverse):
        msg = f"{type(target.module).__name__} has no method inverse(y)"
        raise NotAttackedError(msg)
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
    # The way back multiplies rounding by its Lipschitz constant, which is measured at the
    # same points: ‖back(m + δ) - back(m)‖ / ‖δ‖ for a small δ.
    end = _in_parts(back, middle)
    size = norms(start).clamp(min=torch.finfo(start.dtype).tiny)
    rounding = target.rounding(start[0].numel())
    small = target.randn(*middle.shape)
    small = small * (1e-4 * norms(middle) / norms(small)).reshape(-1, *(1,) * (middle.ndim - 1))
    stretch = norms(_in_parts(back, middle + small) - end) / norms(small).clamp(min=1e-300)
    slack = rounding * (1 + (1 + stretch) * norms(middle) / size)
    return worst(name, norms(end - start) / size, slack, start)


def _in_parts(call: Map, points: Tensor) -> Tensor:
    with torch.no_grad():
        return call(points)


@attack.register
def _(structure: LogDeterminant, target: Target) -> Finding:
    """Compare the returned number with log|det| of the dense Jacobian."""
    del structure
    pair = getattr(target.module, "forward_and_log_det", None)
    if not callable(pair):
        msg = f"{type(target.module).__name__} has no method forward_and_log_det(x)"
        raise NotAttackedError(msg)
    found = dense_determinants(target)
    with torch.no_grad():
        claimed: Tensor = pair(found.points)[1]
    error, slack = (claimed - found.log_det).abs(), found.slack(target, claimed.abs())
    name = "returned number against log|det Dφ|, dense"
    return Finding(0.0, (worst(name, error, slack, found.points),), found.problem.note())


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
