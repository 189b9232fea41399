"""One step along a schedule of shears, forward or back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from darboux.integrators._integrator import (
    Integrator,
    StepSize,
    Time,
    require,
    shifted,
    step_size,
)
from darboux.integrators._shears import First, Shears
from darboux.solvers._convergence import Map, norms
from darboux.solvers._solve import solved
from darboux.solvers._transforms import is_plain, without_autocast

_INSTEAD = (
    "Use HamiltonianField, SecondOrderField, LearnedHamiltonianField or CoupledField; or, with "
    "this field, a Runge-Kutta method such as Kutta4(), or LeapfrogMidpoint(), which can be "
    "undone for any field."
)


def require_phase_space(field: Any, method: Integrator) -> None:
    """Refuse a field without drift and kick."""
    what = "a phase space (z, p)"
    require(field, "drift", "kick", method=method, what=what, instead=_INSTEAD)


def partitioned_step(
    method: Integrator, shears: Shears, field: Any, t: Time, h: StepSize, x: Tensor, *, back: bool
) -> Tensor:
    """Return the state x = (z, p) after one step from t to t + h, or before it."""
    # To go back, the shears are undone one by one in reverse order. The inverse of an implicit
    # shear is explicit and the other way round, and their number is even: reversed, the first
    # of each pair is again the implicit one.
    if not (hasattr(field, "drift") and hasattr(field, "kick")):
        require_phase_space(field, method)
    size = step_size(h, x)
    z, p = _halves(x)
    separable, frozen = getattr(field, "separable", False), getattr(field, "autonomous", False)
    schedule = shears.pairs
    if separable:
        schedule = shears.autonomous if frozen else shears.separable
    recent = getattr(field, "_recent_slopes", None)
    recent, plain = {} if recent is None else recent, is_plain()
    schedule = schedule[::-1] if back else schedule
    for shear in schedule if separable else schedule[::2]:
        time = t if frozen or shear.node == 0 else t + shear.node * h
        weight = -shear.weight if back else shear.weight
        if not separable:
            pair = _Pair(method, field, shear.moves, time, size, weight, recent, plain)
            z, p = pair.moved(z, p)
        elif shear.moves == "drift":
            z = shifted(z, field.drift(time, z, p), size, weight=weight)
        else:
            p = shifted(p, field.kick(time, z, p), size, weight=weight)
    return torch.cat([z, p], dim=1)


@dataclass(frozen=True)
class _Pair:
    """A symplectic Euler step: a shear that is an equation, and an explicit one."""

    # What moves first does so by the slope at its new place: z' = z + w h drift(t, z', p). The
    # other half moves by the slope there: p' = p + w h kick(t, z', p). One evaluation gives both
    # where the equation is solved. It shows that at once where the field separates, of which
    # nothing need be known: the slope at the end of one pair is that of the next one's start.

    method: Integrator
    field: Any
    first: First
    time: Time
    h: StepSize
    weight: float
    recent: dict[str, tuple[Tensor, Tensor]]  # the last slopes, and the half that they look at
    plain: bool  # whether values can be looked at

    def moved(self, z: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return (z, p) after both shears."""
        half, other = self._ordered(z, p)
        end, slope = self._solved(half, other)
        if slope is None:
            slope = self._slope(self._second, end, other)
        if self.plain:
            self.recent[self._second] = end.detach(), slope.detach()
        return self._ordered(end, self._shifted(other, slope))

    def _solved(self, half: Tensor, other: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the new place of what moves first, and the slope of the other if it is known."""

        def after(end: Tensor) -> Tensor:
            slope = None if known else self._slope(self.first, end, other)
            return known.pop() if slope is None else self._shifted(half, slope)

        known: list[Tensor] = []  # of the first call
        guess = self._guess(after, half, other)
        if self.plain:
            with torch.no_grad(), without_autocast(half):
                own, slope = self._slopes(guess, other)
                image = self._shifted(half, own)
            exact, recorded = not bool((image - guess).any()), torch.is_grad_enabled()
            if exact and not recorded:
                return image, slope
            if exact and not self._looks(guess, other):
                with without_autocast(half):
                    return after(guess), None
            known += [] if recorded else [image]
        # a half may pass through 0, where it is rounding of its size before
        scale = norms(half.detach())
        return solved(after, guess, context=repr(self.method), scale=scale), None

    def _guess(self, after: Map, half: Tensor, other: Tensor) -> Tensor:
        """Return half + w h slope, by a slope of an earlier pair if the other half is the same."""
        if not self.plain:
            return after(half)
        place, slope = self.recent.get(self.first, (None, half))
        with torch.no_grad():
            if place is None or not _same(place, other):
                return after(half)
            return self._shifted(half, slope)

    def _looks(self, end: Tensor, other: Tensor) -> bool:
        """Return whether autograd sees that the slope of what moves first looks at its place."""
        with torch.enable_grad(), without_autocast(end):
            place = end.detach().requires_grad_()
            slope = self._slope(self.first, place, other.detach())
            if not slope.requires_grad:
                return False
            ones = torch.ones_like(slope)
            return torch.autograd.grad(slope, place, ones, allow_unused=True)[0] is not None

    def _slopes(self, half: Tensor, other: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the slopes of what moves first and of the other, if one evaluation gives both."""
        if not getattr(self.field, "at_once", False):
            return self._slope(self.first, half, other), None
        z, p = self._ordered(half, other)
        return self._ordered(*self.field.slopes(self.time, z, p))

    def _slope(self, moves: First, half: Tensor, other: Tensor) -> Tensor:
        z, p = self._ordered(half, other)
        rate = self.field.drift if moves == "drift" else self.field.kick
        return rate(self.time, z, p)

    def _shifted(self, half: Tensor, slope: Tensor) -> Tensor:
        return shifted(half, slope, self.h, weight=self.weight)

    def _ordered(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Return (z, p) of what moves first and the other, or the other way round."""
        return (one, other) if self.first == "drift" else (other, one)

    @property
    def _second(self) -> First:
        return "kick" if self.first == "drift" else "drift"


def _same(x: Tensor, y: Tensor) -> bool:
    return x is y or (x.dtype == y.dtype and x.device == y.device and torch.equal(x, y))


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim < 2 or x.shape[1] % 2:
        found = f"{x.shape[1]} of them" if x.ndim > 1 else "no channel axis"
        msg = (
            "Expected an even number of channels (position, momentum) along axis 1; got "
            f"{found}, shape {tuple(x.shape)}. Append zero channels, e.g. with a Lift."
        )
        raise ValueError(msg)
    z, p = x.chunk(2, dim=1)
    return z, p
