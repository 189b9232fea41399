"""The plain iteration x <- g(x)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.solvers._convergence import Progress, Target, choose, every, norms

Map = Callable[[Tensor], Tensor]


def fixed_point(g: Map, x: Tensor, target: Target, *, rate: float) -> Progress:
    """Iterate x <- g(x) until each sample has converged or contracts too slowly."""
    # The residual ‖g(x) - x‖ falls by the contraction rate ρ in each iteration, and the error
    # of g(x) is at most ρ/(1 - ρ) times as large. A sample that is given up keeps the iterate
    # with the smallest residual.
    best, active = x, torch.ones(len(x), dtype=torch.bool, device=x.device)
    solved = ~active
    error = size = norms(x).new_full((len(x),), torch.inf)
    iterations = 0
    while iterations < target.max_iter and not every(~active):
        iterations += 1
        y = g(x)
        found, now = norms(y - x), target.size(x)
        near = (found <= target.rounding(x, now, 0.0)) & found.isfinite()
        fresh = active & (target.reached(found, now) | (near & (found >= error)))
        going = active & ~fresh & found.isfinite() & (near | (found <= rate * error))
        best = choose(fresh, y, choose(active & (found < error), x, best))
        # a sample at rest is not touched again: its neighbours do not change it
        error, size = (torch.where(active, a, b) for a, b in ((found, error), (now, size)))
        solved, active = solved | fresh, going
        x = choose(active, y, best)
    return Progress(best, solved, error, size, iterations)
