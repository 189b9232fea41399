"""The iteration x <- g(x), plain and with Anderson's acceleration, each sample on its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from darboux.solvers._convergence import (
    Map,
    Mask,
    Numbers,
    Progress,
    Target,
    choose,
    norms,
    numbers,
)

_RIDGE = 1e-13  # of the trace: keeps the small least-squares problems regular

_DECREASE = 0.999  # of the residual, by accelerated steps: they may not stagnate either

_PLAIN = 5  # iterations before the first accelerated one: what contracts fast needs no more

_PATIENCE = 64  # the longest pause after rejected steps, in iterations


@np.errstate(all="ignore")  # what is not finite is lost, and said so
def fixed_point(
    g: Map, x: Tensor, target: Target, *, rate: float, image: Tensor | None = None
) -> Progress:
    """Iterate x <- g(x) until each sample has converged or contracts too slowly."""
    # The residual ‖g(x) - x‖ falls by the contraction rate ρ in each iteration, and the error
    # of g(x) is at most ρ/(1 - ρ) times as large. A sample that is given up keeps the iterate
    # with the smallest residual.
    best, active = x, np.ones(len(x), dtype=bool)
    solved = ~active
    error, size, bound = np.full(len(x), np.inf), None, target.floor
    iterations, together, pace = 0, True, min(rate, _DECREASE)
    while iterations < target.max_iter and active.any():
        iterations += 1
        y = g(x) if image is None else image
        image = None
        found = numbers(norms(y - x))
        falling = found <= pace * error
        # as long as all samples are on their way, bounds of their sizes are enough
        if together and (falling & (found > target.tol * bound)).all():
            best, x, error, size, bound = x, y, found, None, bound + found
            continue
        now = target.size(x)
        fresh = active & target.reached(found, now)
        going = active & ~fresh
        # a sample at rest is not touched again: its neighbours do not change it
        if (falling | ~going).all():
            best, x = x, choose(active, y, x)
        else:  # some converge slowly, or to what rounding allows
            near = (found <= target.rounding(x, now, 0.0)) & np.isfinite(found)
            fresh |= active & near & (found >= error)
            going &= ~fresh & np.isfinite(found) & (near | (found <= rate * error))
            best = choose(active & (found < error), x, choose(active, best, x))
            best = choose(fresh, y, best)
            x = choose(going, y, best)
        error = np.where(active, found, error)
        size = now if size is None else np.where(active, now, size)
        solved, active, bound, together = solved | fresh, going, now + found, bool(going.all())
    size = target.size(best) if size is None else size
    return Progress(choose(active, best, x), solved, error, size, iterations)


@dataclass(frozen=True)
class _Memory:
    """Differences of the last residuals and images, (batch, depth, n); unused rows are zero."""

    residuals: Tensor
    images: Tensor

    def extended(self, residual: Tensor, image: Tensor) -> _Memory:
        pairs = ((self.residuals, residual), (self.images, image))
        return _Memory(*(torch.cat([old[:, 1:], new[:, None]], dim=1) for old, new in pairs))

    def cleared(self, mask: Mask) -> _Memory:
        pair = (self.residuals, self.images)
        return _Memory(*(choose(mask, torch.zeros_like(x), x) for x in pair))

    def next(self, residual: Tensor, image: Tensor) -> Tensor:
        """Return y - ΔY γ with the γ that makes ‖r - ΔR γ‖ smallest."""
        size = torch.linalg.vector_norm(self.residuals, dim=2, keepdim=True)
        scale = 1 / torch.where(size > 0, size, torch.ones_like(size))
        rows = self.residuals * scale
        gram = rows @ rows.mT
        ridge = _RIDGE if rows.dtype == torch.float64 else 1e-6
        eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
        weights = torch.linalg.solve_ex(gram + ridge * eye, rows @ residual[..., None])[0]
        # a column that is zero has the weight zero
        return image - ((weights * scale).mT @ self.images)[:, 0]


@dataclass(frozen=True)
class _State:
    """The iterate and what is known of it; `plain` is g of the last iterate that was kept."""

    x: Tensor
    plain: Tensor
    error: Numbers
    trial: Mask  # which iterates are accelerated ones
    pause: Numbers  # iterations without acceleration that are left
    penalty: Numbers  # the pause after the next rejection


@np.errstate(all="ignore")
def anderson(
    g: Map, x: Tensor, target: Target, *, depth: int = 5, image: Tensor | None = None
) -> Progress:
    """Iterate x <- y - ΔY γ, y = g(x), with the combination that makes the residual smallest."""
    # ΔY and ΔR are the last differences of g(x) and of the residuals r = g(x) - x, and γ minimises
    # ‖r - ΔR γ‖. An accelerated iterate whose residual is not smaller than that of the iterate
    # before is rejected: the sample goes on with the plain iterate, forgets its differences, and
    # pauses the acceleration, twice as long each time. So what contracts converges.
    # Anderson 1965; Walker and Ni 2011, Anderson acceleration for fixed-point iterations.
    batch = len(x)
    unknown, active = np.full(batch, np.inf), np.ones(batch, dtype=bool)
    solved, best, least = ~active, x, unknown
    count, size, bound, together = np.zeros(batch), None, target.floor, True
    start = (solved, count, count + 2)
    state = _State(x, x, unknown, *start)
    memory: _Memory | None = None
    past: list[tuple[Tensor, Tensor]] = []  # residuals and images since the memory was extended
    iterations = 0
    while iterations < target.max_iter and active.any():
        iterations += 1
        y = g(state.x) if image is None else image
        image = None
        residual = y - state.x
        found = numbers(norms(residual))
        past.append((residual.reshape(batch, -1), y.reshape(batch, -1)))
        falling, plain = found < least, iterations <= _PLAIN
        if plain and together and (falling & (found > target.tol * bound)).all():
            best, least, size, bound = state.x, found, None, bound + found
            state = _State(y, y, found, *start)
            continue
        now = target.size(state.x)
        fresh = active & target.reached(found, now)
        size = now if size is None else np.where(active, now, size)
        bound = now + found
        if plain and (falling | fresh | ~active).all():
            best, x = state.x, choose(active, y, state.x)
            least = np.where(active, found, least)
            solved, active = solved | fresh, active & ~fresh
            together = bool(active.all())
            state = _State(x, x, found, *start)
            continue
        near = (found <= target.rounding(state.x, now, 0.0)) & np.isfinite(found)
        fresh |= active & near & (found >= least)
        rejected = state.trial & ~fresh & ~(found <= _DECREASE * state.error)
        best = choose(active & falling, state.x, choose(active, best, state.x))
        best = choose(fresh, y, best)
        least = np.where(active & falling, found, least)
        solved = solved | fresh
        active = active & ~fresh & (np.isfinite(found) | rejected)
        together = bool(active.all())
        if plain:
            state = replace(state, x=y, plain=y, error=found)
        else:
            if memory is None:  # what contracts fast needs none
                empty = x.new_zeros(batch, depth, x[:1].numel())
                memory = _Memory(empty, empty)
            for (r, y_r), (s, y_s) in pairwise(past):
                memory = memory.extended(s - r, y_s - y_r)
            past = past[-1:]
            memory, state = _advance(
                state, memory.cleared(rejected), (y, residual, found), rejected
            )
        # a sample at rest is not touched again: its neighbours do not change it
        state = replace(state, x=choose(active, state.x, best))
    best = choose(active, best, state.x)
    size = target.size(best) if size is None else size
    return Progress(best, solved, least, size, iterations)


def _advance(
    state: _State, memory: _Memory, here: tuple[Tensor, Tensor, Numbers], rejected: Mask
) -> tuple[_Memory, _State]:
    """Return the next iterates: accelerated ones, or g(x) where that was rejected or pauses."""
    y, residual, found = here
    flat_r, flat_y = residual.reshape(len(y), -1), y.reshape(len(y), -1)
    pause = np.where(rejected, state.penalty, np.maximum(state.pause - 1, 0))
    penalty = np.where(rejected, np.minimum(2 * state.penalty, _PATIENCE), state.penalty)
    quicker = memory.next(flat_r, flat_y).reshape(y.shape)
    usable = ~rejected & (pause == 0) & numbers(quicker.reshape(len(y), -1).isfinite().all(dim=1))
    x = choose(usable, quicker, choose(rejected, state.plain, y))
    # the plain iterate of a rejected one is that of its predecessor
    kept = choose(rejected, state.plain, y)
    error = np.where(rejected, state.error, found)
    return memory, _State(x, kept, error, usable, pause, penalty)
