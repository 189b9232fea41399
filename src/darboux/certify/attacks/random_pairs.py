"""The first attack on a Lipschitz constant: random pairs at many scales."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.pairs import Pairs, measure
from darboux.certify.problem import Problem, spread


def random_points(problem: Problem, count: int, *, farthest: float = 3.0) -> Tensor:
    """Return base points: the inputs, the inputs scaled, and noise at many scales.

    Args:
        problem: the map.
        count: the number of points.
        farthest: scales run from 1e-3 to 10^farthest times that of the inputs.

    Example:
        >>> from darboux.certify.effort import Effort
        >>> from darboux.certify.target import Target
        >>> quick, generator = Effort.named("quick"), torch.Generator().manual_seed(0)
        >>> target = Target(torch.nn.ReLU(), torch.ones(1, 2), quick, generator)
        >>> random_points(Problem(target.module, target), 5).shape
        torch.Size([5, 2])
    """
    target, known = problem.target, problem.points
    chosen = known[torch.arange(count, device=known.device) % len(known)].clone()
    fresh = target.randn(count, *problem.shape) * target.scale
    factors = spread(target.log_uniform(count, -3.0, farthest), fresh)
    kind = torch.arange(count, device=known.device) % 4
    # A quarter each: inputs as they are, inputs scaled, unit noise, noise scaled.
    points = torch.where(spread(kind < 2, fresh), chosen, fresh)
    odd = spread(kind % 2 == 1, fresh)
    points = torch.where(odd, points * factors, points)
    points[: len(known)] = known[:count]
    return points


def random_pairs(problem: Problem) -> Pairs:
    """Return random pairs, at distances from 1e-3 to 1e3 times the scale of the inputs.

    Example:
        >>> from darboux.certify.effort import Effort
        >>> from darboux.certify.target import Target
        >>> quick, generator = Effort.named("quick"), torch.Generator().manual_seed(0)
        >>> target = Target(torch.nn.ReLU(), torch.ones(1, 2), quick, generator)
        >>> pairs = random_pairs(Problem(target.module, target))
        >>> bool((pairs.quotient <= 1 + 1e-6).all())
        True
    """
    target = problem.target
    count = problem.afford(problem.places(target.effort.pairs), fraction=0.1, calls=2, least=4)
    x = random_points(problem, count)
    step = target.randn(count, *problem.shape) * target.scale
    y = x + step * spread(target.log_uniform(count, -3.0, 3.0), step)
    return measure(problem, x, y)
