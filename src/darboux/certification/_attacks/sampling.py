"""Base points at several scales, and the worst of many values as a trial."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certification._finding import NotAttackedError, Trial
from darboux.certification._problem import Problem, norms, spread


def sample_points(problem: Problem, *, cost: float) -> Tensor:
    """Return as many base points as the effort pays for."""
    # all of them, of an affine map too: an inverse, an energy or a number is compared with it
    wanted = problem.room(max(problem.least, problem.target.effort.points))
    return random_points(problem, problem.afford(wanted, fraction=0.1, calls=cost, least=2))


def worst(attack: str, measured: Tensor, tolerance: Tensor | float, points: Tensor) -> Trial:
    """Return the sample that lies furthest beyond its tolerance as a trial."""
    # Samples that are not finite are left out; overflow far away is usual, but not nearby.
    slack = tolerance if isinstance(tolerance, Tensor) else torch.full_like(measured, tolerance)
    usable = measured.isfinite() & slack.isfinite()
    if not bool(usable.any()):
        msg = "no sample gave a finite value"
        raise NotAttackedError(msg)
    excess = torch.where(usable, measured - slack, torch.full_like(measured, -torch.inf))
    k = int(excess.argmax())
    evidence = {"x": points[k].detach().clone()}
    size = norms(points)
    lost = int((~usable & (size <= 2 * size.median())).sum())
    largest, allowed = float(measured[k].detach()), float(slack[k].detach())
    return Trial(attack, int(usable.sum()), largest, allowed, evidence, lost)


def random_points(problem: Problem, count: int, *, farthest: float = 3.0) -> Tensor:
    """Return base points: the inputs, the inputs scaled, and noise at many scales."""
    target, known = problem.target, problem.points
    chosen = known[torch.arange(count, device=known.device) % len(known)].clone()
    fresh = target.randn(count, *problem.shape) * target.scale
    factors = spread(target.log_uniform(count, -3.0, farthest), fresh)
    kind = torch.arange(count, device=known.device) % 4
    odd = spread(kind % 2 == 1, fresh)
    if target.near:
        points = chosen + torch.where(odd, fresh * factors, fresh)
    else:  # a quarter each: about the inputs, inputs scaled, unit noise, noise scaled
        points = torch.where(spread(kind == 0, fresh), chosen + fresh, fresh)
        points = torch.where(spread(kind == 1, fresh), chosen, points)
        points = torch.where(odd, points * factors, points)
    points[: len(known)] = known[:count]
    return points
