"""The third attack on a Lipschitz constant: power iteration on Jacobians."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.attacks.random_pairs import random_points
from darboux.certify.jacobian import Jacobian
from darboux.certify.krylov import largest_singular
from darboux.certify.pairs import Pairs, measure
from darboux.certify.problem import Problem, norms, spread, unit

_CALLS = 3.0  # evaluations per iteration: a product with D two, with Dᵀ one
_SCREENED = 32  # points that are looked at for each that is kept
_FARTHEST = 5.0  # thin wedges between nearly parallel kinks open up far away
_GLANCE = 6  # iterations that tell a promising base point
_DISTANCES = (1e-5, 1e-2, 1.0)


def jacobian_power(problem: Problem, ascended: Pairs) -> tuple[Pairs, int]:
    """Return pairs along the largest singular vectors found, and the number of base points.

    Base points are the inputs, the inputs scaled, noise, and where ascended pairs lie. A
    few iterations tell the promising ones; these are moved at random, at many scales,
    and tried again; the best get the long iteration. What counts in the end is a
    difference quotient, so a wrong derivative cannot refute anything.

    Args:
        problem: the map.
        ascended: pairs that gradient ascent found.

    Example:
        >>> from darboux.certify.effort import Effort
        >>> from darboux.certify.target import Target
        >>> quick, generator = Effort.named("quick"), torch.Generator().manual_seed(0)
        >>> linear = torch.nn.Linear(3, 3)
        >>> target = Target(linear, torch.ones(1, 3), quick, generator)
        >>> problem = Problem(linear, target)
        >>> x = target.randn(4, 3)
        >>> pairs, _ = jacobian_power(problem, measure(problem, x, x + 1))
        >>> bool(pairs.quotient.max() > 0.99 * torch.linalg.matrix_norm(linear.weight, 2))
        True
    """
    effort = problem.target.effort
    count = problem.afford(
        problem.places(effort.points), fraction=0.2, calls=_CALLS * _GLANCE, least=1
    )
    points, tangents = _bases(problem, ascended, count)
    glance = _GLANCE if count > 1 else 0  # nothing to choose from
    values, tangents = _singular(problem, points, tangents, iterations=glance)
    tried = len(points)
    cost = _CALLS * _GLANCE * count
    for _ in range(problem.afford(effort.rounds, fraction=0.1, calls=cost, least=0)):
        moved = points + _moves(problem, points, tangents)
        new, turned = _singular(problem, moved, tangents, iterations=_GLANCE)
        better = spread(new > values, points)
        points, tangents = torch.where(better, moved, points), torch.where(better, turned, tangents)
        values, tried = torch.maximum(values, new), tried + len(moved)
        points, tangents, values = _restart_worst(points, tangents, values)
    keep = values.argsort(descending=True)[: max(1, min(4, count // 4))]
    rest = 0.3 if count > 1 else 0.5  # nothing was spent on choosing
    long = problem.afford(effort.iterations, fraction=rest, calls=_CALLS * len(keep), least=8)
    _, best = _singular(problem, points[keep], tangents[keep], iterations=long)
    return _quotients(problem, points[keep], best), tried


def _bases(problem: Problem, ascended: Pairs, count: int) -> tuple[Tensor, Tensor]:
    """Return base points with first tangents: half ascended pairs, half inputs and noise."""
    some = ascended.best(max(1, count // 2)) if count > 1 else ascended.best(1)
    fresh = count - len(some)
    near = some.x + 0.5 * (some.y - some.x)
    along = unit(some.y - some.x)
    if fresh <= 0:
        return near, along
    points = torch.cat([_promising(problem, fresh), near])
    start = unit(problem.target.randn(fresh, *problem.shape))
    return points, torch.cat([start, along])


def _promising(problem: Problem, count: int) -> Tensor:
    """Return base points, half of them the steepest of many along random directions.

    The region where a piecewise linear map is steepest may be small; one difference
    quotient per point is the cheapest way to come across it.
    """
    wanted = problem.places(_SCREENED * count)
    many = problem.afford(wanted, fraction=0.05, calls=2.0, least=count)
    points = random_points(problem, many, farthest=_FARTHEST)
    if many < 4 * count:
        return points[:count]
    target = problem.target
    width = torch.finfo(points.dtype).eps ** 0.25
    size = _sizes(problem, points)
    step = spread(width * size, points) * unit(target.randn(*points.shape))
    steepest = measure(problem, points, points + step).best(count - count // 2)
    return torch.cat([points[: count // 2], steepest.x])


def _singular(
    problem: Problem, points: Tensor, tangents: Tensor, *, iterations: int
) -> tuple[Tensor, Tensor]:
    values, vectors = [], []
    for x, v in zip(points.split(problem.chunk), tangents.split(problem.chunk), strict=True):
        # A little noise: a start inside an invariant subspace would stay there.
        start = unit(v) + 0.1 * unit(problem.target.randn(*v.shape))
        value, vector = largest_singular(Jacobian(problem.search, x), start, iterations=iterations)
        values.append(torch.where(value.isfinite(), value, torch.full_like(value, -1.0)))
        vectors.append(vector.nan_to_num(0.0, 0.0, 0.0))
    return torch.cat(values), torch.cat(vectors)


def _moves(problem: Problem, points: Tensor, tangents: Tensor) -> Tensor:
    """Return random displacements, along the tangents and across, at many scales."""
    target, count = problem.target, len(tangents)
    along = spread(target.randn(count), tangents) * unit(tangents)
    across = unit(target.randn(*tangents.shape))
    reach = _sizes(problem, points) * target.log_uniform(count, -2.5, 0.5)
    return spread(reach, tangents) * (along + across)


def _sizes(problem: Problem, points: Tensor) -> Tensor:
    """Return the norm of each point, at least that of the inputs."""
    return norms(points).clamp(min=problem.target.scale * problem.size**0.5)


def _restart_worst(
    points: Tensor, tangents: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the population with its worst quarter replaced by copies of its best."""
    order = values.argsort(descending=True)
    quarter = len(order) // 4
    if quarter:
        order = torch.cat([order[:-quarter], order[:quarter]])
    return points[order], tangents[order], values[order]


def _quotients(problem: Problem, points: Tensor, tangents: Tensor) -> Pairs:
    """Return pairs x, x + εv at several distances ε."""
    size = _sizes(problem, points)
    ends = [
        points + spread(sign * distance * size, tangents) * tangents
        for distance in _DISTANCES
        for sign in (1.0, -1.0)
    ]
    return measure(problem, points, torch.cat(ends))
