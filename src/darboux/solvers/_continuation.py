"""Continuation from the guess, for equations that are too stiff and nonlinear to start with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from darboux.solvers._convergence import Progress, Target, choose, every, norms
from darboux.solvers._linearised import Linearised, Map
from darboux.solvers._newton import newton

Linearise = Callable[[Map, Tensor], Linearised]

_ROUGH = 1e-6  # tolerance on the way

_PATIENCE = 20  # iterations for one advance

_ADVANCES = 200

_GROWTH = (1.02, 1.5, 100.0)  # least, first and largest factor between two weights


def continuation(
    g: Map, start: Tensor, progress: Progress, target: Target, linearise: Linearise
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
        found = _solved(g, start, trial, rough, linearise, _from(x, lost | at_goal))
        fresh = found.solved & ~(lost | at_goal)
        x, reached = choose(fresh, found.x, x), torch.where(fresh, trial, reached)
        factor = torch.where(fresh, (factor**1.5).clamp(max=_GROWTH[2]), factor**0.5)
        weight = torch.where(reached > 0, reached * factor, weight / 10)
        lost = lost | (~fresh & ~at_goal & (factor < _GROWTH[0]))
    ahead = choose(given, progress.x, x)
    final = newton(
        lambda x: g(x).detach(), _from(ahead, given | (reached < 1)), target, _at(g, linearise)
    )
    return _joined(progress, final, reached >= 1)


def _solved(
    g: Map, start: Tensor, weight: Tensor, target: Target, linearise: Linearise, begin: Progress
) -> Progress:
    """Return where Newton's method leads for one weight λ of each sample."""
    shaped = weight.reshape(-1, *(1,) * (start.ndim - 1))

    def blend(x: Tensor) -> Tensor:
        return start + shaped * (g(x) - start)

    return newton(lambda x: blend(x).detach(), begin, target, _at(blend, linearise))


def _at(g: Map, linearise: Linearise) -> Callable[[Tensor], Linearised]:
    return lambda x: linearise(g, x)


def _first_weight(equation: Linearised, like: Tensor) -> Tensor:
    """Return a λ for which λ g' is small, as far as ‖g'‖ is known, and 1e-3 elsewhere."""
    gain = torch.as_tensor(equation.gain, dtype=like.dtype, device=like.device)
    return torch.where(gain > 0, 0.1 / (1 + gain), 1e-3).expand_as(like)


def _from(x: Tensor, solved: Tensor) -> Progress:
    unknown = torch.full_like(norms(x), torch.inf)
    return Progress(x, solved, unknown, unknown, 0)


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
