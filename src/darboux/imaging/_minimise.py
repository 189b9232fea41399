"""Monotone minimisation of energies: any direction, if a proximal-gradient step vouches for it.

A step is accepted only if it falls as far as theory promises for a proximal-gradient step p of size
1/L: F(x⁺) <= F(x) + m with m = ⟨∇f, p - x⟩ + L ‖p - x‖² / 2 + h(p) - h(x). Hence F - F* shrinks by
1 - μ/L in each step if F is strongly convex, and min_k ‖L (x_k - p_k)‖² <= 2L (F(x_0) - inf F) / K
always. Where μ is little or zero, every fifth step begins with one of MFISTA (Beck and Teboulle
2009), for which F - F(u) <= 2L ‖x_0 - u‖² / (j + 1)² after j of them, for all u; that stays true if
its iterate is replaced by any point with a lower F, as is done here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, final

import torch
from torch import Tensor

from darboux.imaging._energy import Energy, dots, lengths, spread
from darboux.imaging._quasi_newton import Directions

Progress = Callable[[int, Tensor, Tensor], None]
"""Is told (iteration, F, residual) of all samples, (batch,), after each iteration."""

EVERY = 5

_ROUNDING = 8.0  # units of F, within which values do not tell whether it falls

_NOISE = 16.0  # units of L ‖x‖, within which changes of the gradient tell nothing

_SHORTER = 2  # times that a direction is tried again, shorter


@final
@dataclass(frozen=True)
class Minimum:
    """Where a minimisation ended and how it got there, in K iterations.

    Args:
        start: x_0, after a proximal map where h is not zero.
        x: the last iterate, which has the lowest F.
        converged: which samples have a residual within the tolerance, (batch,).
        objective: F, (K + 1, batch), float64.
        residual: L ‖x - p‖, (K + 1, batch).
        allowance: up to how much F may rise by rounding, (K + 1, batch).
        low: ⟨Δ∇f, Δx⟩ / ‖Δx‖² of each step, (K, batch); NaN where a sample rested.
        high: ‖Δ∇f‖ / ‖Δx‖ of each step, (K, batch).
        noise: what rounding may add to these two, (K, batch).
        fallbacks: how many steps were proximal-gradient steps, (batch,).
        left: L/μ of this is at least F(x) - F*, if F is μ-strongly convex; (batch,).
        excess: by how much F fell too little in those, beyond rounding, (batch,).
    """

    start: Tensor
    x: Tensor
    converged: Tensor
    objective: Tensor
    residual: Tensor
    allowance: Tensor
    low: Tensor
    high: Tensor
    noise: Tensor
    fallbacks: Tensor
    left: Tensor
    excess: Tensor

    @property
    def iterations(self) -> int:
        """K."""
        return len(self.objective) - 1


class _Point(NamedTuple):
    """A point with f, ∇f, h and F."""

    x: Tensor
    f: Tensor
    g: Tensor
    h: Tensor

    @property
    def value(self) -> Tensor:
        return self.f + self.h

    def where(self, mask: Tensor, other: _Point) -> _Point:
        """Return this point for the samples of a mask, the other elsewhere."""
        if bool(mask.all()):
            return self
        if not bool(mask.any()):
            return other
        wide = mask.reshape(-1, *(1,) * (self.x.ndim - 1))
        masks = (wide, mask, wide, mask)
        parts = zip(masks, self, other, strict=True)
        return _Point(*(torch.where(one, here, there) for one, here, there in parts))


class _Fall(NamedTuple):
    """What a proximal-gradient step from a point promises: p, m, and the residual."""

    p: Tensor
    m: Tensor
    residual: Tensor


@torch.no_grad()
def minimise(
    energy: Energy,
    x0: Tensor,
    *,
    tol: float = 1e-4,
    max_iter: int = 1000,
    progress: Progress | None = None,
) -> Minimum:
    """Minimise an energy from x0 until all residuals are <= tol · scale, each sample on its own.

    F never rises but by rounding. Samples that have not converged say so in `converged`: they
    needed more iterations, or no step went down, or rounding is all there is. No derivatives.

    Raises:
        FloatingPointError: if F or its gradient at x0 is not finite.
    """
    run = _Run(energy, x0, tol)
    while len(run.objective) <= max_iter and not bool(run.rests.all()):
        run.step()
        if progress is not None:
            progress(len(run.objective) - 1, run.objective[-1], run.fall.residual)
    return run.ended()


@dataclass
class _Run:
    """The state of a minimisation."""

    energy: Energy
    x0: Tensor
    tol: float
    objective: list[Tensor] = field(default_factory=list)
    residual: list[Tensor] = field(default_factory=list)
    curvature: list[Tensor] = field(default_factory=list)
    t: float = 1.0

    def __post_init__(self) -> None:
        energy, count = self.energy, len(self.x0)
        self.size = self.x0.new_full((count,), 1 / energy.smoothness, dtype=torch.float64)
        self.long, self.directions = self.size, Directions(self.size)
        self.fallbacks, self.excess = torch.zeros_like(self.size), torch.zeros_like(self.size)
        self.stuck = self.size < 0
        self.at = self._point(energy.prox(self.x0, self.size))
        if not bool(torch.isfinite(self.at.value + dots(self.at.g, self.at.g)).all()):
            msg = (
                "reconstruct: expected a finite energy and gradient at the first image; got "
                f"F = {self.at.value.tolist()}. Start from another image x0."
            )
            raise FloatingPointError(msg)
        self.start = self.ahead = self.at.x
        self._note()

    def step(self) -> None:
        """Make one step of all samples that do not rest."""
        before = self.at
        if self.energy.is_slow and len(self.objective) % EVERY == 1:
            self._accelerate()
        found = self._point(self._trial())
        good = self._accepts(found) | self.rests
        for _ in range(_SHORTER):
            if bool(good.all()):
                break
            shorter = self._point(self._shorter(found, good))
            good = good | self._accepts(shorter)
            found = shorter
        if not bool(good.all()):
            found = found.where(good, self._point(self.fall.p))
            self._judge(found, ~good)
        self.at = self.at.where(self.rests | self.stuck, found)
        self._remember(before)
        self._note()

    def ended(self) -> Minimum:
        """Return what was found."""
        none = self.size.new_zeros(0, 3, len(self.size))
        curvature = torch.stack(self.curvature) if self.curvature else none
        low, high, noise = curvature.unbind(1)
        objective = torch.stack(self.objective)
        return Minimum(
            start=self.start,
            x=self.at.x,
            converged=self._is_small(),
            objective=objective,
            residual=torch.stack(self.residual),
            allowance=self._allowance(objective),
            low=low,
            high=high,
            noise=noise,
            fallbacks=self.fallbacks,
            left=-self.fall.m,
            excess=self.excess,
        )

    def _point(self, x: Tensor) -> _Point:
        f, g = self.energy.smooth(x)
        return _Point(x, f, g, self.energy.rough(x))

    def _note(self) -> None:
        """Write down where it stands, and who rests from here on."""
        self.fall = self._falls()
        self.objective.append(self.at.value)
        self.residual.append(self.fall.residual)
        self.rests = self._is_small() | self.stuck

    def _is_small(self) -> Tensor:
        return self.fall.residual <= self.tol * self.energy.scale

    def _falls(self) -> _Fall:
        x, _, g, h = self.at
        if self.energy.is_smooth:
            square = dots(g, g)
            return _Fall(x - g / self.energy.smoothness, -self.size * square / 2, square.sqrt())
        p = self.energy.prox(x - g / self.energy.smoothness, self.size)
        d = p - x
        square = dots(d, d)
        m = dots(g, d) + square / (2 * self.size) + self.energy.rough(p) - h
        return _Fall(p, m, square.sqrt() / self.size)

    def _trial(self) -> Tensor:
        """Return where to go: a quasi-Newton step, or a long proximal-gradient step."""
        x, g = self.at.x, self.at.g
        free = self.energy.free(x, g)
        if free is None:
            return self.energy.prox(x - spread(self.long, x) * g, self.long)
        if not self.directions:
            return self.fall.p
        return self.energy.prox(x + self.directions.along(g * free) * free, self.size)

    def _shorter(self, found: _Point, good: Tensor) -> Tensor:
        """Return where a parabola through F, its slope, and a rejected F is lowest."""
        d = found.x - self.at.x
        slope = dots(self.at.g, d)
        part = -slope / (2 * (found.value - self.at.value - slope))
        part = torch.where(good, 1.0, part.nan_to_num(0.1).clamp(0.1, 0.5))
        return self.at.x + spread(part, d) * d

    def _accepts(self, found: _Point) -> Tensor:
        """Return which samples fall as far as a proximal-gradient step does at least."""
        change = found.value - self.at.value - self.fall.m
        by_value = change <= 0
        unclear = (change <= self._allowance(self.at.value)) & ~by_value
        if not bool(unclear.any()):
            return by_value
        return by_value | (unclear & (self._change(found) <= self.fall.m))

    def _change(self, found: _Point) -> Tensor:
        """Return an upper bound of F(found) - F(x) that needs gradients, not values, of f."""
        # that of Nesterov 2018, 2.1.10, for f - μ ‖·‖² / 2, which is convex and (L - μ)-smooth
        d, mu = found.x - self.at.x, self.energy.convexity
        bent = found.g - self.at.g - mu * d
        room = max(self.energy.smoothness - mu, 1e-12 * self.energy.smoothness)
        known = dots(found.g, d) - mu * dots(d, d) / 2 - dots(bent, bent) / (2 * room)
        return known + found.h - self.at.h

    def _allowance(self, value: Tensor) -> Tensor:
        unit = _ROUNDING * torch.finfo(self.x0.dtype).eps
        return unit * (value.abs() + (value.abs() * self.energy.magnitude).sqrt())

    def _judge(self, found: _Point, mask: Tensor) -> None:
        """Note by how much proximal-gradient steps fell less than they must, and who rises."""
        self.fallbacks = self.fallbacks + mask
        self.directions.forget(mask)
        slip = torch.finfo(self.x0.dtype).eps * lengths(self.at.x)  # x itself is rounded
        allowed = self._allowance(self.at.value)
        allowed = allowed + slip * (self.fall.residual + slip / self.size)
        change = found.value - self.at.value
        excess = torch.where(mask, change - self.fall.m - allowed, 0.0)
        self.excess = torch.maximum(self.excess, excess.nan_to_num(torch.inf))
        self.stuck = self.stuck | (mask & ~(change <= allowed))

    def _accelerate(self) -> None:
        """Make a step of MFISTA, and go on from where F is lower."""
        t, x = self.t, self.at.x
        y = x + (self.ahead - x) / t
        z = self.energy.prox(y - self.energy.smooth(y)[1] / self.energy.smoothness, self.size)
        self.ahead, self.t = x + t * (z - x), 0.5 + (0.25 + t**2) ** 0.5
        found = self._point(z)
        self.at = found.where((found.value < self.at.value) & ~self.rests, self.at)
        self.fall = self._falls()

    def _remember(self, before: _Point) -> None:
        """Keep a step and the change of the gradient, and what they say of the curvature."""
        s, y = self.at.x - before.x, self.at.g - before.g
        length, bend, turn = dots(s, s), dots(s, y), dots(y, y)
        self.stuck = self.stuck | ((length == 0) & ~self.rests)  # rounding is all that is left
        noise = _NOISE * torch.finfo(s.dtype).eps * lengths(self.at.x) / length.sqrt()
        low, high = bend / length, (turn / length).sqrt()
        self.curvature.append(torch.stack([low, high, noise * self.energy.smoothness]))
        self.directions.learn(s, y)
        self.long = torch.where(low > 0, 1 / low, self.long).clamp(min=self.size)
