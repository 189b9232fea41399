"""Newton's method for x = g(x), damped, and continuation for where it leads nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from darboux.solvers._convergence import (
    Map,
    Mask,
    Numbers,
    Progress,
    Target,
    beginning,
    choose,
    like,
)
from darboux.solvers._linearised import Linearised

Linearise = Callable[[Map, Tensor], Linearised]

_HALVINGS = 40  # a stiff and saturated g needs steps of 1e-7

_DECREASE = 0.25  # of the level, as a fraction of what the linear model promises

_ROUGH = 1e-6  # tolerance on the way

_PATIENCE = 20  # iterations for one advance

_ADVANCES = 200

_GROWTH = (1.02, 1.5, 100.0)  # least, first and largest factor between two weights


@np.errstate(all="ignore")  # what is not finite is lost, and said so
def newton(g: Map, start: Progress, target: Target, linearise: Linearise) -> Progress:
    """Iterate x <- x + λ M (g(x) - x), M = (I - g'(x))⁻¹, for the samples not yet solved."""

    # The correction M (g(x) - x) estimates the error of x, whatever the scales of g; λ is the
    # first of 1, 1/2, 1/4, ... that lowers the level of the residual.
    # Deuflhard 2004, Newton Methods for Nonlinear Problems, section 3.1.
    def plain(x: Tensor) -> Tensor:
        return g(x).detach()  # forward mode does not mind no_grad

    x, solved, size = start.x, start.solved, start.size
    error = np.full_like(start.error, np.inf)
    y = plain(x)
    iterations = 0
    while iterations < target.max_iter and not solved.all():
        iterations += 1
        equation = linearise(g, x)
        r = y - x
        step = equation.correction(r)
        found, now = target.measured(step, x)
        if not np.isfinite(found).all():
            step = choose(target.measured(r, x)[0] == 0, r, step)  # solved, regular or not
            found, now = target.measured(step, x)
        near = found <= target.rounding(x, now, equation.gain)
        fresh = ~solved & (target.reached(found, now) | (near & (found > error / 2)))
        x, y = _advance(plain, equation, (x, y, step), (solved, fresh))
        error, size = np.where(solved, error, found), np.where(solved, size, now)
        solved = solved | fresh
        if (solved | ~np.isfinite(found)).all():
            break
    return Progress(x, solved, np.where(solved, 0.0, error), size, iterations)


def _advance(
    g: Map,
    equation: Linearised,
    at: tuple[Tensor, Tensor, Tensor],
    ended: tuple[Mask, Mask],
) -> tuple[Tensor, Tensor]:
    """Return the next iterates and g of them: full steps where they end, damped elsewhere."""
    (x, y, step), (solved, fresh) = at, ended
    before, pending = equation.level(y - x), ~solved
    best, damping = np.full_like(before, np.inf), 1.0
    new_x, new_y = x, y
    for _ in range(_HALVINGS):
        trial = x + step * damping if damping < 1 else x + step
        image = g(trial)
        after = equation.level(image - trial)
        better = pending & ((after < best) | fresh)
        new_x, new_y = choose(better, trial, new_x), choose(better, image, new_y)
        best = np.where(better, after, best)
        pending = pending & ~fresh & ~(after <= (1 - _DECREASE * damping) * before)
        if not pending.any():
            break
        damping = damping / 2
    return new_x, new_y


@np.errstate(all="ignore")
def continuation(
    g: Map, start: Tensor, progress: Progress, target: Target, linearise: Linearise
) -> Progress:
    """Follow the solution of x = x_0 + λ (g(x) - x_0) from λ near 0, where it is x_0, to 1."""
    # For the stages of an implicit method that begins with zero increments this is the step
    # size, raised from near 0 to h. Each sample goes at a pace of its own: λ grows by a factor q,
    # which becomes q^(3/2) after an advance, and √q after one that failed.
    # Deuflhard 2004, Newton Methods for Nonlinear Problems, chapter 5.
    x, given, goal = start, progress.solved, np.ones(len(start))
    gain = linearise(g, start).gain
    weight = np.where(gain > 0, 0.1 / (1 + gain), 1e-3)
    factor = np.full_like(goal, _GROWTH[1])
    patience = min(_PATIENCE, target.max_iter)
    rough = replace(target, tol=max(_ROUGH, target.tol), max_iter=patience)
    reached, lost = np.zeros_like(goal), given
    for _ in range(_ADVANCES):
        at_goal = reached >= 1
        if (lost | at_goal).all():
            break
        trial = np.where(at_goal, goal, np.minimum(goal, weight))
        found = _solved(g, start, trial, rough, linearise, beginning(x, lost | at_goal))
        fresh = found.solved & ~(lost | at_goal)
        x, reached = choose(fresh, found.x, x), np.where(fresh, trial, reached)
        factor = np.where(fresh, np.minimum(factor**1.5, _GROWTH[2]), factor**0.5)
        weight = np.where(reached > 0, reached * factor, weight / 10)
        lost = lost | (~fresh & ~at_goal & (factor < _GROWTH[0]))
    ahead = choose(given, progress.x, x)
    final = newton(g, beginning(ahead, given | (reached < 1)), target, linearise)
    return _joined(progress, final, reached >= 1)


def _solved(
    g: Map, start: Tensor, weight: Numbers, target: Target, linearise: Linearise, begin: Progress
) -> Progress:
    """Return where Newton's method leads for one weight λ of each sample."""
    shaped = like(weight, start).to(start.dtype).reshape(-1, *(1,) * (start.ndim - 1))

    def blend(x: Tensor) -> Tensor:
        return start + shaped * (g(x) - start)

    return newton(blend, begin, target, linearise)


def _joined(before: Progress, after: Progress, arrived: Mask) -> Progress:
    """Return the samples that were solved before or are now, and the errors of the others."""
    now = ~before.solved & after.solved & arrived
    return Progress(
        choose(now, after.x, before.x),
        before.solved | now,
        before.error,
        before.size,
        before.iterations,
    )
