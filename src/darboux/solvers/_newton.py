"""Newton's method for x = g(x), damped, and continuation for where it leads nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from darboux.solvers._convergence import (
    Map,
    Progress,
    Target,
    beginning,
    choose,
    every,
    norms,
)
from darboux.solvers._linearised import Linearised

_Linearise = Callable[[Map, Tensor], Linearised]

_HALVINGS = 40  # a stiff and saturated g needs steps of 1e-7

_DECREASE = 0.25  # of the level, as a fraction of what the linear model promises

_ROUGH = 1e-6  # tolerance on the way

_PATIENCE = 20  # iterations for one advance

_ADVANCES = 200

_GROWTH = (1.02, 1.5, 100.0)  # least, first and largest factor between two weights


def newton(g: Map, start: Progress, target: Target, linearise: _Linearise) -> Progress:
    """Iterate x <- x + λ M (g(x) - x), M = (I - g'(x))⁻¹, for the samples not yet solved."""

    # The correction M (g(x) - x) estimates the error of x, whatever the scales of g; λ is the
    # first of 1, 1/2, 1/4, ... that lowers the level of the residual.
    # Deuflhard 2004, Newton Methods for Nonlinear Problems, section 3.1.
    def plain(x: Tensor) -> Tensor:
        return g(x).detach()  # forward mode does not mind no_grad

    x, solved, size = start.x, start.solved, start.size
    error = torch.full_like(start.error, torch.inf)
    y = plain(x)
    iterations = 0
    while iterations < target.max_iter and not every(solved):
        iterations += 1
        equation = linearise(g, x)
        r = y - x
        step = choose(norms(r) == 0, r, equation.correction(r))  # solved, regular or not
        found, now = norms(step), target.size(x)
        near = found <= target.rounding(x, now, equation.gain)
        fresh = ~solved & (target.reached(found, now) | (near & (found > error / 2)))
        x, y = _advance(plain, equation, (x, y, step), (solved, fresh))
        error, size = torch.where(solved, error, found), torch.where(solved, size, now)
        solved = solved | fresh
        if every(solved | ~found.isfinite()):
            break
    return Progress(x, solved, torch.where(solved, 0.0, error), size, iterations)


def _advance(
    g: Map,
    equation: Linearised,
    at: tuple[Tensor, Tensor, Tensor],
    ended: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Return the next iterates and g of them: full steps where they end, damped elsewhere."""
    (x, y, step), (solved, fresh) = at, ended
    before, pending = equation.level(y - x), ~solved
    best, damping = torch.full_like(before, torch.inf), torch.ones_like(before)
    new_x, new_y = x, y
    for _ in range(_HALVINGS):
        trial = x + step * damping.reshape(-1, *(1,) * (x.ndim - 1))
        image = g(trial)
        after = equation.level(image - trial)
        better = pending & ((after < best) | fresh)
        new_x, new_y = choose(better, trial, new_x), choose(better, image, new_y)
        best = torch.where(better, after, best)
        pending = pending & ~fresh & ~(after <= (1 - _DECREASE * damping) * before)
        if every(~pending):
            break
        damping = damping / 2
    return new_x, new_y


def continuation(
    g: Map, start: Tensor, progress: Progress, target: Target, linearise: _Linearise
) -> Progress:
    """Follow the solution of x = x_0 + λ (g(x) - x_0) from λ near 0, where it is x_0, to 1."""
    # For the stages of an implicit method that begins with zero increments this is the step
    # size, raised from near 0 to h. Each sample goes at a pace of its own: λ grows by a factor q,
    # which becomes q^(3/2) after an advance, and √q after one that failed.
    # Deuflhard 2004, Newton Methods for Nonlinear Problems, chapter 5.
    x, given, goal = start, progress.solved, torch.ones_like(progress.error)
    weight = _first_weight(linearise(g, start), goal)
    factor = torch.full_like(goal, _GROWTH[1])
    patience = min(_PATIENCE, target.max_iter)
    rough = replace(target, tol=max(_ROUGH, target.tol), max_iter=patience)
    reached, lost = torch.zeros_like(goal), given.clone()
    for _ in range(_ADVANCES):
        at_goal = reached >= 1
        if every(lost | at_goal):
            break
        trial = torch.where(at_goal, goal, torch.minimum(goal, weight))
        found = _solved(g, start, trial, rough, linearise, beginning(x, lost | at_goal))
        fresh = found.solved & ~(lost | at_goal)
        x, reached = choose(fresh, found.x, x), torch.where(fresh, trial, reached)
        factor = torch.where(fresh, (factor**1.5).clamp(max=_GROWTH[2]), factor**0.5)
        weight = torch.where(reached > 0, reached * factor, weight / 10)
        lost = lost | (~fresh & ~at_goal & (factor < _GROWTH[0]))
    ahead = choose(given, progress.x, x)
    final = newton(g, beginning(ahead, given | (reached < 1)), target, linearise)
    return _joined(progress, final, reached >= 1)


def _solved(
    g: Map, start: Tensor, weight: Tensor, target: Target, linearise: _Linearise, begin: Progress
) -> Progress:
    """Return where Newton's method leads for one weight λ of each sample."""
    shaped = weight.reshape(-1, *(1,) * (start.ndim - 1))

    def blend(x: Tensor) -> Tensor:
        return start + shaped * (g(x) - start)

    return newton(blend, begin, target, linearise)


def _first_weight(equation: Linearised, like: Tensor) -> Tensor:
    """Return a λ for which λ g' is small, as far as ‖g'‖ is known, and 1e-3 elsewhere."""
    gain = torch.as_tensor(equation.gain, dtype=like.dtype, device=like.device)
    return torch.where(gain > 0, 0.1 / (1 + gain), 1e-3).expand_as(like)


def _joined(before: Progress, after: Progress, arrived: Tensor) -> Progress:
    """Return the samples that were solved before or are now, and the errors of the others."""
    now = ~before.solved & after.solved & arrived
    return Progress(
        choose(now, after.x, before.x),
        before.solved | now,
        before.error,
        before.size,
        before.iterations,
    )
