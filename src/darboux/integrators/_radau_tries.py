"""How Radau IIA tries a step: Jacobians and inverses are kept as long as they serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
import torch
from torch import Tensor

from darboux.integrators._outputs import Slope, along
from darboux.integrators._path import Path
from darboux.integrators._radau_newton import ITERATIONS, Newton, Solved, flat, shaped
from darboux.integrators._radau_stages import Array, Inverses, Stages, ahead, between, larger
from darboux.integrators._step_control import Tolerance, Tries, Try, Walk
from darboux.solvers._convergence import Mask, Numbers, choose, numbers
from darboux.solvers._linearised import jacobian

_ENTRIES = 512  # of a sample, whose matrices are dense

_SAFETY = 0.9

_SHRINK, _GROW = 0.2, 10.0  # of one step to the next

_WORTH = 1.2  # a growth below it is not worth new inverses

_LEAST, _MOST = 1e-10, 1e10  # of errors over the tolerance

_SLOW = 1e-3  # rate of convergence beyond which a Jacobian is computed anew


@dataclass(frozen=True)
class _Kept:
    """What is known of each sample from the tries before."""

    stages: Stages
    slopes: Array  # f' there or at an earlier z, (batch, n, n)
    inverses: Inverses
    means: Array  # mean slopes of the last accepted step, (batch, 3n)
    alone: bool  # whether autograd may differentiate f, as for `pullbacks`
    current: Mask  # whether f' is that at z
    wanted: Mask  # whether it is to be
    size: Numbers  # h of the inverses, 0 where there are none
    length: Numbers  # h of the last accepted step, 0 where there was none
    error: Numbers
    rejected: Mask  # whether the last try was


@final
class RadauTries(Tries):
    """Steps of order 5 with an error of order 3."""

    # Simplified Newton iterations, and predictive control of the step.
    # Hairer and Wanner, Solving Ordinary Differential Equations II, IV.8.

    method = "AdaptiveRadau"
    order = 4
    hint = (
        "Use a larger tolerance, or float64; f must be smooth where it is stiff, and is best "
        "differentiable by autograd."
    )

    def __init__(self, path: Path, tolerance: Tolerance) -> None:
        super().__init__()
        self.path = path
        self.tolerance = tolerance

    def begin(self, z: Tensor) -> _Kept:
        """Return that nothing is known.

        Raises:
            ValueError: if z has complex entries, or too many for a matrix.
        """
        _check(z)
        batch, n = len(z), z[0].numel()
        stages, none = Stages.like(z), np.zeros(batch)
        slopes, never = stages.array(np.zeros((batch, n, n))), none > 0
        return _Kept(
            stages,
            slopes,
            stages.inverses(slopes, stages.array(none)),
            stages.array(np.zeros((batch, 3 * n))),
            alone=False,
            current=never,
            wanted=~never,
            size=none,
            length=none,
            error=none,
            rejected=never,
        )

    @np.errstate(all="ignore")
    def attempt(self, field: Slope, t: Tensor, h: Tensor, at: Walk) -> Try:
        """Return one step."""
        steps = numbers(h)
        kept = self._linearised(at, t, h, steps)
        newton = Newton(self.tolerance, kept.stages, kept.inverses)
        solved = newton.solved(field, (t, h), at.z, self._guess(kept, steps), steps != 0)
        rows, n = kept.stages.array(flat(at.z)), kept.slopes.shape[1]
        end = rows + solved.increments[:, 2 * n :]
        error = self._error(field, t, h, at, kept, solved, (rows, end))
        accepted = (steps != 0) & (error <= 1)
        slow = (solved.iterations > 2) & (solved.rate > _SLOW)
        factor = _factor(steps, error, solved, slow, kept)
        after = _state(end, at.z)
        slope = field(along(t + h, at.z), after) if accepted.any() else at.slope
        return Try(
            after,
            slope,
            error,
            factor,
            partial(_between, at.z, solved.increments),
            replace(
                kept,
                means=choose(accepted, solved.means, kept.means),
                current=kept.current & ~accepted,
                wanted=np.where(accepted, slow, ~solved.found & ~kept.current),
                length=np.where(accepted, steps, kept.length),
                error=np.where(accepted, error, kept.error),
                rejected=(steps != 0) & ~accepted,
            ),
        )

    def _linearised(self, at: Walk, t: Tensor, h: Tensor, steps: Numbers) -> _Kept:
        """Return what is kept, with the slopes and inverses that this try needs."""
        kept: _Kept = at.kept
        fresh = kept.wanted & (steps != 0)
        if fresh.any():
            slopes, alone = self._jacobian(along(t, at.z), at.z, alone=kept.alone)
            kept = replace(
                kept,
                slopes=choose(fresh, kept.stages.array(slopes), kept.slopes),
                alone=alone,
                current=kept.current | fresh,
                wanted=kept.wanted & ~fresh,
            )
        needed = (steps != 0) & (fresh | (steps != kept.size))
        if not needed.any():
            return kept
        size = kept.stages.array(h)
        if needed.all():
            inverses = kept.stages.inverses(kept.slopes, size)
        else:
            rows = np.flatnonzero(needed)
            some = kept.stages.inverses(kept.slopes[rows], size[rows])
            inverses = kept.inverses.replaced(rows, some)
        return replace(kept, inverses=inverses, size=np.where(needed, steps, kept.size))

    def _jacobian(self, time: Tensor, z: Tensor, *, alone: bool) -> tuple[Tensor, bool]:
        """Return f' by autograd, or by differences where f leaves torch or writes its results."""

        def slope(z: Tensor) -> Tensor:
            return self.path.slope(time, z)

        try:
            found = jacobian(slope, z, alone=alone)
        except RuntimeError:  # what is wrong with f itself is raised again
            return self._differences(slope, z), False
        if not bool(found.any()):
            return self._differences(slope, z), False
        # `torch.func` has seen that f writes nowhere: plain autograd would keep what it writes
        return found, True

    def _differences(self, slope: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
        unit, rows = torch.finfo(z.dtype).eps ** 0.5, flat(z)
        least = max(self.tolerance.atol, torch.finfo(z.dtype).tiny / unit)
        moved = rows + unit * rows.abs().clamp(min=least)
        before, columns = slope(z).clone(), []
        for j in range(rows.shape[1]):
            there = rows.clone()
            there[:, j] = moved[:, j]
            change = flat(slope(there.reshape(z.shape)) - before).detach()
            columns.append(change / (moved - rows)[:, j : j + 1])
        return torch.stack(columns, dim=2)

    def _guess(self, kept: _Kept, steps: Numbers) -> Array:
        """Return the mean slopes along the polynomial of the step before, 0 at first."""
        if not kept.length.any():
            return kept.means
        before = kept.length != 0
        return ahead(kept.means, steps / np.where(before, kept.length, 1.0))

    def _error(
        self,
        field: Slope,
        t: Tensor,
        h: Tensor,
        at: Walk,
        kept: _Kept,
        solved: Solved,
        ends: tuple[Array, Array],
    ) -> Numbers:
        """Return the error over the tolerance, more than 1 where there is no solution."""
        stages, rtol = kept.stages, self.tolerance.relative(at.z.dtype)
        scale = (self.tolerance.atol + rtol * larger(*ends)) / stages.array(h)[:, None]
        rough = stages.error(kept.inverses, solved.means, stages.array(flat(at.slope)))
        error = self.tolerance.measured(rough / scale)
        # f' may be large where the error is not: it is filtered once more
        doubtful = solved.found & (error > 1) & (kept.rejected | (kept.length == 0))
        if doubtful.any():
            moved = _state(ends[0] + stages.array(h)[:, None] * rough, at.z)
            slope = stages.array(flat(field(along(t, at.z), moved)))
            finer = stages.error(kept.inverses, solved.means, slope)
            error = np.where(doubtful, self.tolerance.measured(finer / scale), error)
        failed = np.where(solved.lost, np.inf, error.clip(2.0, _MOST))
        return np.where(solved.found, error, failed)


def _state(rows: Array, z: Tensor) -> Tensor:
    """Return (batch, n) like z."""
    return shaped(torch.as_tensor(rows).to(z.dtype), z)


def _check(z: Tensor) -> None:
    if z.is_complex():
        msg = (
            f"AdaptiveRadau: expected real numbers; got {z.dtype}. Use torch.view_as_real, or "
            "odeint, which does that."
        )
        raise ValueError(msg)
    entries = z[0].numel()
    if entries > _ENTRIES:
        msg = (
            f"AdaptiveRadau: expected at most {_ENTRIES} entries in a sample, whose Jacobian is "
            f"one matrix; got {entries}. Use RadauIIA(3) or ImplicitEuler() with fixed steps, "
            "which need no matrix, or per_sample=True in odeint where rows are independent."
        )
        raise ValueError(msg)


def _factor(steps: Numbers, error: Numbers, solved: Solved, slow: Mask, kept: _Kept) -> Numbers:
    """Return the next step over this one."""
    safety = _SAFETY * (2 * ITERATIONS + 1) / (2 * ITERATIONS + solved.iterations)
    size, before = error.clip(_LEAST, None), kept.length != 0
    grown = np.divide(steps, kept.length, out=np.ones_like(steps), where=before)
    trend = np.where(before, np.abs(grown) * (kept.error / size) ** 0.25, 1.0)
    factor = (safety * trend.clip(None, 1.0) * size**-0.25).clip(_SHRINK, _GROW)
    # the same step keeps its inverses
    factor = np.where((error <= 1) & ~slow & (factor < _WORTH), 1.0, factor)
    # with slopes of an earlier z it is tried again with those of this one
    again = np.where(kept.current | solved.lost, 0.5, 1.0)
    return np.where(solved.found, factor, again)


def _between(z: Tensor, increments: Array, place: Tensor) -> Tensor:
    return states_between(z, torch.as_tensor(increments), place)


def states_between(z: Tensor, increments: Tensor, place: Tensor) -> Tensor:
    """Return the states at a fraction of the step."""
    return shaped((flat(z) + between(increments, place)).to(z.dtype), z)
