"""Pairs of points, how far a map pulls them apart, and gradient ascent on that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.certification._attacks.sampling import random_points
from darboux.certification._finding import Trial
from darboux.certification._problem import Problem, norms, spread, unit

_CLOSER = 4


@final
@dataclass(frozen=True)
class Pairs:
    """Pairs x, y with the quotients ‖φ(x) - φ(y)‖ / ‖x - y‖."""

    x: Tensor
    y: Tensor
    quotient: Tensor
    rounding: Tensor

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.quotient)

    @property
    def safe(self) -> Tensor:
        """The quotients less their rounding, (P,)."""
        return self.quotient - self.rounding

    def best(self, count: int) -> Pairs:
        """Return the `count` pairs with the largest quotients."""
        order = self.safe.argsort(descending=True)[:count]
        return Pairs(self.x[order], self.y[order], self.quotient[order], self.rounding[order])

    def join(self, other: Pairs) -> Pairs:
        """Return these pairs and others."""
        return Pairs(
            torch.cat([self.x, other.x]),
            torch.cat([self.y, other.y]),
            torch.cat([self.quotient, other.quotient]),
            torch.cat([self.rounding, other.rounding]),
        )

    def split(self, counts: list[int]) -> list[Pairs]:
        """Return the first pairs, the next ones, and so on."""
        parts = (one.split(counts) for one in (self.x, self.y, self.quotient, self.rounding))
        return [Pairs(*part) for part in zip(*parts, strict=True)]

    def lost(self) -> int:
        """Return how many pairs had values that were not finite."""
        return int((self.quotient < 0).sum())

    def trial(
        self, problem: Problem, attack: str, samples: int, *, relative: float, claimed: float
    ) -> Trial:
        """Return the best pair as a trial; before it refutes, its rounding is looked at."""
        best = self.best(1)
        if float(best.safe[0]) > claimed:
            best = self.best(_CLOSER)._looked_at(problem).best(1)
        quotient, rounding = float(best.quotient[0]), float(best.rounding[0])
        evidence = {"x": best.x[0].clone(), "y": best.y[0].clone()}
        if math.isfinite(quotient):
            rounding += relative * abs(quotient)
        return Trial(attack, samples, quotient, rounding, evidence)

    def _looked_at(self, problem: Problem) -> Pairs:
        """Return the pairs with at least the rounding that may happen at their ends."""
        seen = problem.rounding(self.x) + problem.rounding(self.y)
        distance = norms(self.x - self.y)
        seen = torch.where(distance > 0, seen / distance.clamp(min=1e-300), seen)
        return Pairs(self.x, self.y, self.quotient, torch.maximum(self.rounding, seen))


def measure(problem: Problem, x: Tensor, y: Tensor) -> Pairs:
    """Return pairs with their quotients; fewer x than y are used over and over."""
    # The rounding of a quotient is that of the values, relative to the distance:
    # ε c K √n (‖φx‖ + ‖φy‖ + ‖x‖ + ‖y‖) / ‖x - y‖.
    a, b = problem(x), problem(y)
    copies = len(y) // len(x)
    x, a = x.repeat(copies, *(1,) * (x.ndim - 1)), a.repeat(copies, *(1,) * (a.ndim - 1))
    distance = norms(x - y)
    usable = distance > 0
    divisor = torch.where(usable, distance, torch.ones_like(distance))
    sizes = norms(a) + norms(b) + norms(x) + norms(y)
    quotient = norms(a - b) / divisor
    rounding = problem.target.rounding(problem.size) * sizes / divisor
    usable = usable & quotient.isfinite() & rounding.isfinite()
    lost = torch.full_like(quotient, -1.0)
    return Pairs(
        x.detach(),
        y.detach(),
        torch.where(usable, quotient, lost),
        torch.where(usable, rounding, torch.zeros_like(rounding)),
    )


def random_pairs(problem: Problem) -> Pairs:
    """Return random pairs, at distances from 1e-3 to 1e3 times the scale of the inputs."""
    target = problem.target
    count = problem.afford(problem.places(target.effort.pairs), fraction=0.1, calls=2, least=4)
    x = random_points(problem, count)
    step = target.randn(count, *problem.shape) * target.scale
    y = x + step * spread(target.log_uniform(count, -3.0, 3.0), step)
    return measure(problem, x, y)


def pair_ascent(problem: Problem, *seeds: Pairs) -> list[Pairs]:
    """Return pairs after ascent of ‖φ(x+d) - φ(x)‖² / ‖d‖², of minus that from further seeds."""
    # The distance of a pair stays what it was, so a quotient averages the Jacobian over
    # that distance and sees beyond the kinks at which derivatives stop. The direction
    # of d turns towards the gradient (with a full turn this is power iteration), x moves
    # along its own. Every pair has its own step, longer after success, shorter after none.
    effort = problem.target.effort
    cost = 6.0  # two points, each forward and backward
    count = problem.afford(problem.places(effort.starts), fraction=0.4, calls=cost * 8, least=1)
    steps = problem.afford(effort.ascent, fraction=0.4, calls=cost * count, least=4)
    chosen = [_various(some, count) for some in seeds]
    signs = torch.cat(
        [torch.full_like(some.quotient, (-1.0) ** k) for k, some in enumerate(chosen)]
    )
    x, y = (torch.cat([getattr(some, end) for some in chosen]) for end in "xy")
    parts = zip(*(one.split(problem.chunk) for one in (x, y - x, signs)), strict=True)
    ends = zip(*(_climb(problem, *part, steps=steps) for part in parts), strict=True)
    return measure(problem, *map(torch.cat, ends)).split([len(some) for some in chosen])


def _various(seeds: Pairs, count: int) -> Pairs:
    """Return half the best seeds and half the first ones, which start at the inputs."""
    half = max(1, count // 2)
    best = seeds.best(half)
    rest = count - len(best)
    if rest <= 0:
        return best
    first = Pairs(seeds.x[:rest], seeds.y[:rest], seeds.quotient[:rest], seeds.rounding[:rest])
    return best.join(first)


def _climb(
    problem: Problem, x: Tensor, d: Tensor, sign: Tensor, *, steps: int
) -> tuple[Tensor, Tensor]:
    if problem.is_coarse:  # closer pairs would drown in float32 rounding
        least = 1e-2 * problem.target.scale * problem.size**0.5
        d = d * spread((least / norms(d)).clamp(min=1.0), d)
    radius, way = spread(norms(d), d), unit(d)
    value, gx, gd = _slopes(problem, x, radius * way, sign)
    turn = torch.full_like(value, 8.0)
    move = torch.full_like(value, 0.0 if problem.target.near else 1.0)
    for _ in range(steps):
        # An infinite turn is power iteration; a move of 1 goes as far as the pair is wide.
        tangent = unit(way + spread(turn, d) * unit(gd))
        there = x + spread(move, x) * radius * unit(gx)
        new, new_gx, new_gd = _slopes(problem, there, radius * tangent, sign)
        up = new > value
        keep = spread(up, x)
        x, way = torch.where(keep, there, x), torch.where(keep, tangent, way)
        gx, gd = torch.where(keep, new_gx, gx), torch.where(keep, new_gd, gd)
        value = torch.where(up, new, value)
        turn = torch.where(up, turn * 2, turn / 2).clamp(1e-4, 1e4)
        move = torch.where(up, move * 2, move / 4).clamp(1e-6, 1e3)
    return x, x + radius * way


def _slopes(problem: Problem, x: Tensor, d: Tensor, sign: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ±‖φ(x+d) - φ(x)‖² with its gradients in x and in d."""
    points = torch.cat([x, x + d]).detach().requires_grad_()
    with torch.enable_grad():
        values = problem.search(points)
    here, there = values.detach().chunk(2)
    change = there - here
    value = sign * norms(change).square()
    if not values.requires_grad:
        return value, torch.zeros_like(x), torch.zeros_like(d)
    pull = 2 * spread(sign, change) * change
    (slope,) = torch.autograd.grad(values, points, torch.cat([-pull, pull]))
    at_x, at_y = slope.nan_to_num(0.0, 0.0, 0.0).chunk(2)
    return torch.where(value.isfinite(), value, -torch.inf), at_x + at_y, at_y
