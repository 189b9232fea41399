"""Newton's method for x = g(x), damped, each sample on its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.solvers._convergence import Progress, Target, choose, every, norms
from darboux.solvers._linearised import Linearised, Map

Linearise = Callable[[Tensor], Linearised]

_HALVINGS = 40  # a stiff and saturated g needs steps of 1e-7

_DECREASE = 0.25  # of the level, as a fraction of what the linear model promises


def newton(g: Map, start: Progress, target: Target, linearise: Linearise) -> Progress:
    """Iterate x <- x + λ M (g(x) - x), M = (I - g'(x))⁻¹, for the samples not yet solved."""
    # The correction M (g(x) - x) estimates the error of x, whatever the scales of g; λ is the
    # first of 1, 1/2, 1/4, ... that lowers the level of the residual.
    # Deuflhard 2004, Newton Methods for Nonlinear Problems, section 3.1.
    x, solved, size = start.x, start.solved, start.size
    error = torch.full_like(start.error, torch.inf)
    y = g(x)
    iterations = 0
    while iterations < target.max_iter and not every(solved):
        iterations += 1
        equation = linearise(x)
        r = y - x
        step = choose(norms(r) == 0, r, equation.correction(r))  # solved, regular or not
        found, now = norms(step), target.size(x)
        near = found <= target.rounding(x, now, equation.gain)
        fresh = ~solved & (target.reached(found, now) | (near & (found > error / 2)))
        x, y = _advance(g, equation, (x, y, step), (solved, fresh))
        error, size = (torch.where(solved, a, b) for a, b in ((error, found), (size, now)))
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
