"""What the smaller attacks share: points at several scales, and the worst of many values."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.attacks.random_pairs import random_points
from darboux.certify.finding import NotAttackedError, Trial
from darboux.certify.problem import Problem

_PER_ROUND = 8


def sample_points(problem: Problem, *, cost: float) -> Tensor:
    """Return as many base points as the effort pays for.

    Args:
        problem: the map.
        cost: evaluations per point.

    Example:
        >>> from darboux.certify.effort import Effort
        >>> from darboux.certify.target import Target
        >>> quick, generator = Effort.named("quick"), torch.Generator().manual_seed(0)
        >>> target = Target(torch.nn.ReLU(), torch.ones(1, 2), quick, generator)
        >>> len(sample_points(Problem(target.module, target), cost=1.0))
        16
    """
    wanted = problem.places(problem.target.effort.points)
    return random_points(problem, problem.afford(wanted, fraction=0.1, calls=cost, least=2))


def worst(attack: str, measured: Tensor, tolerance: Tensor | float, points: Tensor) -> Trial:
    """Return the sample that lies furthest beyond its tolerance as a trial.

    Samples that are not finite are left out.

    Args:
        attack: the name of the attack.
        measured: values, (P,), larger is worse.
        tolerance: what rounding may add to each, (P,), or to all.
        points: the samples, (P, *shape).

    Raises:
        NotAttackedError: if no sample has a finite value.

    Example:
        >>> worst("noise", torch.tensor([1.0, 2.0]), 0.5, torch.zeros(2, 3)).measured
        2.0
    """
    slack = tolerance if isinstance(tolerance, Tensor) else torch.full_like(measured, tolerance)
    usable = measured.isfinite() & slack.isfinite()
    if not bool(usable.any()):
        msg = "no sample gave a finite value"
        raise NotAttackedError(msg)
    excess = torch.where(usable, measured - slack, torch.full_like(measured, -torch.inf))
    k = int(excess.argmax())
    evidence = {"x": points[k].detach().clone()}
    return Trial(attack, int(usable.sum()), float(measured[k]), float(slack[k]), evidence)


def halves(points: Tensor, *, axis: int) -> tuple[Tensor, Tensor]:
    """Return position and momentum, the two halves of the channel axis.

    Raises:
        NotAttackedError: if the channels cannot be halved.

    Example:
        >>> [part.shape[1] for part in halves(torch.zeros(2, 6), axis=1)]
        [3, 3]
    """
    if points.ndim <= axis or points.shape[axis] % 2:
        msg = f"position and momentum need an even number of channels; got {tuple(points.shape)}"
        raise NotAttackedError(msg)
    first, second = points.chunk(2, dim=axis)
    return first, second
