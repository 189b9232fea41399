"""The second attack on a Lipschitz constant: gradient ascent on pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certification._pairs import Pairs, measure
from darboux.certification._problem import Problem, norms, spread, unit


def pair_ascent(problem: Problem, seeds: Pairs) -> tuple[Pairs, int]:
    """Return pairs after ascent of ‖φ(x+d) - φ(x)‖² / ‖d‖², and the number of ascents."""
    # The distance of a pair stays what it was, so a quotient averages the Jacobian over
    # that distance and sees beyond the kinks at which derivatives stop. The direction
    # of d turns towards the gradient (with a full turn this is power iteration), x moves
    # along its own. Every pair has its own step, longer after success, shorter after none.
    effort = problem.target.effort
    cost = 6.0  # two points, each forward and backward
    count = problem.afford(problem.places(effort.starts), fraction=0.4, calls=cost * 8, least=1)
    steps = problem.afford(effort.ascent, fraction=0.4, calls=cost * count, least=4)
    chosen = _various(seeds, count)
    found = [
        measure(problem, *_climb(problem, x, y - x, steps=steps))
        for x, y in zip(chosen.x.split(problem.chunk), chosen.y.split(problem.chunk), strict=True)
    ]
    pairs = found[0]
    for more in found[1:]:
        pairs = pairs.join(more)
    return pairs, len(pairs)


def _various(seeds: Pairs, count: int) -> Pairs:
    """Return half the best seeds and half the first ones, which start at the inputs."""
    half = max(1, count // 2)
    best = seeds.best(half)
    rest = count - len(best)
    if rest <= 0:
        return best
    first = Pairs(seeds.x[:rest], seeds.y[:rest], seeds.quotient[:rest], seeds.rounding[:rest])
    return best.join(first)


def _climb(problem: Problem, x: Tensor, d: Tensor, *, steps: int) -> tuple[Tensor, Tensor]:
    if problem.is_coarse:  # closer pairs would drown in float32 rounding
        least = 1e-2 * problem.target.scale * problem.size**0.5
        d = d * spread((least / norms(d)).clamp(min=1.0), d)
    radius = spread(norms(d), d)
    value, gx, gd = _slopes(problem, x, d)
    turn, move = torch.full_like(value, 8.0), torch.ones_like(value)
    for _ in range(steps):
        # An infinite turn is power iteration; a move of 1 goes as far as the pair is wide.
        tangent = unit(unit(d) + spread(turn, d) * unit(gd))
        there = x + spread(move, x) * radius * unit(gx)
        new, new_gx, new_gd = _slopes(problem, there, radius * tangent)
        up = new > value
        keep = spread(up, x)
        x, d = torch.where(keep, there, x), torch.where(keep, radius * tangent, d)
        gx, gd = torch.where(keep, new_gx, gx), torch.where(keep, new_gd, gd)
        value = torch.where(up, new, value)
        turn = torch.where(up, turn * 2, turn / 2).clamp(1e-4, 1e4)
        move = torch.where(up, move * 2, move / 4).clamp(1e-6, 1e3)
    return x, x + d


def _slopes(problem: Problem, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ‖φ(x+d) - φ(x)‖² with its gradients in x and in d."""
    x, d = x.detach().requires_grad_(), d.detach().requires_grad_()
    with torch.enable_grad():
        both = problem.search(torch.cat([x, x + d]))
        change = both[len(x) :] - both[: len(x)]
        value = change.reshape(len(x), -1).square().sum(dim=1)
        if not value.requires_grad:
            return value.detach(), torch.zeros_like(x), torch.zeros_like(d)
        gx, gd = torch.autograd.grad(value.sum(), [x, d])
    value = torch.where(value.isfinite(), value, torch.full_like(value, -1.0))
    return value.detach(), gx.nan_to_num(0.0, 0.0, 0.0), gd.nan_to_num(0.0, 0.0, 0.0)
