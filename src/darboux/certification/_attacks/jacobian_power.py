"""The third attack on a Lipschitz constant: power iteration on Jacobians."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certification._attacks.pairs import Pairs, measure
from darboux.certification._attacks.sampling import random_points
from darboux.certification._jacobian import Jacobian, dense_jacobians, largest_singular
from darboux.certification._problem import Problem, norms, spread, unit

_CALLS = 3.0  # evaluations per iteration: a product with D two, with Dᵀ one

_SCREENED = 32  # points that are looked at for each that is kept

_FEW_DIMENSIONS = 32  # in which whole Jacobians are as cheap as products

_FARTHEST = 5.0  # thin wedges between nearly parallel kinks open up far away

_GLANCE = 6  # iterations that tell a promising base point

_DISTANCES = (1e-5, 1e-2, 1.0)


def jacobian_power(problem: Problem, ascended: Pairs) -> tuple[Pairs, int]:
    """Return pairs along the largest singular vectors found, and the number of base points."""
    # Base points are the inputs, the inputs scaled, noise, and where ascended pairs lie. A
    # few iterations tell the promising ones; these are moved at random, at many scales,
    # and tried again; the best get the long iteration. What counts in the end is a
    # difference quotient, so a wrong derivative cannot refute anything.
    effort = problem.target.effort
    wanted = problem.places(effort.points)
    count = problem.afford(wanted, fraction=0.2, calls=_CALLS * _GLANCE)
    found = _Population(problem, *_bases(problem, ascended, count))
    if count == 1:  # there is nothing to choose from
        return _finish(problem, found, fraction=0.5), 1
    found.look()
    cost = _CALLS * _GLANCE * count
    rounds = problem.afford(effort.rounds, fraction=0.1, calls=cost, least=0)
    for _ in range(rounds):
        found.move()
    return _finish(problem, found.best(min(4, count // 4)), fraction=0.3), count * (1 + rounds)


class _Population:
    """Base points with a tangent each, and the stretch that the tangents show."""

    def __init__(self, problem: Problem, points: Tensor, tangents: Tensor) -> None:
        self.problem, self.points, self.tangents = problem, points, tangents
        self.values = torch.zeros(len(points)).to(points)

    def look(self) -> None:
        """Turn the tangents by a few iterations."""
        self.values, self.tangents = _singular(
            self.problem, self.points, self.tangents, iterations=_GLANCE
        )

    def move(self) -> None:
        """Try every point elsewhere and keep what is better; the worst start over at the best."""
        moved = self.points + _moves(self.problem, self.points, self.tangents)
        values, tangents = _singular(self.problem, moved, self.tangents, iterations=_GLANCE)
        better = spread(values > self.values, moved)
        self.points = torch.where(better, moved, self.points)
        self.tangents = torch.where(better, tangents, self.tangents)
        self.values = torch.maximum(values, self.values)
        order, quarter = self._order(), len(moved) // 4
        if quarter:
            self._select(torch.cat([order[:-quarter], order[:quarter]]))

    def best(self, count: int) -> _Population:
        """Keep the best points only."""
        self._select(self._order()[: max(1, count)])
        return self

    def _order(self) -> Tensor:
        return self.values.argsort(descending=True)

    def _select(self, order: Tensor) -> None:
        self.points, self.tangents = self.points[order], self.tangents[order]
        self.values = self.values[order]


def _finish(problem: Problem, found: _Population, *, fraction: float) -> Pairs:
    """Return pairs along the singular vectors that the long iteration ends with."""
    wanted, calls = problem.target.effort.iterations, _CALLS * len(found.points)
    long = problem.afford(wanted, fraction=fraction, calls=calls, least=8)
    _, best = _singular(problem, found.points, found.tangents, iterations=long)
    return along(problem, found.points, best)


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
    """Return base points, half of them the steepest of many along random directions."""
    # The region where a piecewise linear map is steepest may be small; one difference
    # quotient per point is the cheapest way to come across it, in few dimensions all of them.
    small = problem.size <= _FEW_DIMENSIONS
    wanted = problem.places(_SCREENED * count)
    cost = 3.0 * problem.size if small else 2.0
    many = problem.afford(wanted, fraction=0.05, calls=cost, least=count)
    points = random_points(problem, many, farthest=_FARTHEST)
    if many < 4 * count:
        return points[:count]
    if small:
        matrices = dense_jacobians(problem.call, points, chunk=problem.chunk).double()
        steep = torch.linalg.matrix_norm(matrices.nan_to_num(0.0, 0.0, 0.0), ord=2)
        return torch.cat([points[: count // 2], points[steep.argsort()[count // 2 - count :]]])
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
    """Return the norm of each point, at least that of the inputs; little of that if near."""
    least = problem.target.scale * problem.size**0.5
    size = norms(points).clamp(min=least)
    return torch.full_like(size, least) if problem.target.near else size


def along(problem: Problem, points: Tensor, tangents: Tensor) -> Pairs:
    """Return pairs x, x + εv at several distances ε."""
    size = _sizes(problem, points)
    ends = [
        points + spread(sign * distance * size, tangents) * tangents
        for distance in _DISTANCES
        for sign in (1.0, -1.0)
    ]
    return measure(problem, points, torch.cat(ends))
