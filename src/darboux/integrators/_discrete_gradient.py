"""The abstract discrete-gradient method, which keeps an energy balance exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor

from darboux.integrators._integrator import (
    GradientForm,
    Integrator,
    StepSize,
    Time,
    fitting,
    require,
    step_size,
)
from darboux.solvers._convergence import norms
from darboux.solvers._solve import solved


class DiscreteGradient(Integrator, ABC):
    """One step z' = z + h (S ∇̄H(z, z') + supply) for fields f = S ∇H + supply.

    ∇̄H is a discrete gradient of the energy:

        ⟨∇̄H(z, z'), z' - z⟩ = H(z') - H(z),  ∇̄H(z, z) = ∇H(z),

    so that H(z') - H(z) = h (⟨∇̄H, S ∇̄H⟩ + ⟨∇̄H, supply⟩) for every h: energy is kept where S
    is skew, does not rise where S + S* <= 0, and what a port-Hamiltonian field exchanges,
    H(z') - H(z) = h (-⟨∇̄H, R ∇̄H⟩ + ⟨y, u⟩) with y = B* ∇̄H, is accounted for to rounding. S,
    the supply and the energy are taken at t + h/2, S and the supply at (z + z')/2.

    The equation for z' is implicit; `darboux.solvers.solve` solves it.

    Source: section 2.2.2; McLachlan, Quispel and Robidoux 1999.
    """

    energy_exact = True
    by_sample = True

    @abstractmethod
    def increments(
        self, field: GradientForm, t: Time, z: Tensor, after: Tensor
    ) -> Sequence[Increment]:
        """Return the difference quotients of the energy at time t, of which ∇̄H is the mean."""

    def gradient(
        self, field: GradientForm, t: Time, h: StepSize, z: Tensor, after: Tensor
    ) -> Tensor:
        """Return ∇̄H(z, z') of the step from z at t to z' at t + h, of the shape of z.

        Args:
            field: a field with an energy.
            t: the time of z.
            h: the step size.
            z: the state before the step, (batch, features, *space).
            after: z', the state after it.
        """
        parts = self.increments(field, t + 0.5 * h, z, after)
        return _mean([part.discrete_gradient() for part in parts])

    def require(self, field: Any) -> None:
        """Refuse a field that is not of the form f = S ∇H + supply.

        Raises:
            TypeError: naming what it lacks, and the methods that do work.
        """
        require(
            field,
            "energy",
            "gradient",
            "steer",
            method=self,
            what="an energy, f = S∇H",
            instead=(
                "Use PortHamiltonianField, GradientField or a Hamiltonian field; any field can be "
                "stepped by a Runge-Kutta method such as Kutta4(), which keeps no energy."
            ),
        )

    def step(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return z' from z.

        Args:
            field: a field with ``energy``, ``gradient`` and ``steer``.
            t: the time.
            h: the step size, a number or a 0-dimensional tensor, of either sign.
            state: z, (batch, features, *space).

        Raises:
            TypeError: if the field is not of the form f = S ∇H + supply.
            ValueError: if h is a tensor with axes.
            ConvergenceError: if the equation for z' is not solved, which smaller steps cure.
        """
        self.require(field)
        form, h = cast("GradientForm", field), step_size(h, state)
        half = t + 0.5 * h

        guess = _guess(form, t, h, state).detach()
        known = [self.increments(form, half, state, guess)]  # of the first call, for the guess

        def after(end: Tensor) -> Tensor:
            parts = known.pop() if known else self.increments(form, half, state, end)
            slope = _mean([part.discrete_gradient() for part in parts])
            flow = _flow(form, half, state + 0.5 * (end - state), slope)
            return state + h * fitting(flow, state)

        return solved(
            after,
            guess,
            tol=torch.finfo(guess.dtype).eps,  # what is left of the residual, energy drifts by
            context=repr(self),
            scale=_scale(form, half, h, state, known[0]),
        )

    def __repr__(self) -> str:
        """Return the constructor call."""
        return f"{type(self).__name__}()"


def _guess(field: GradientForm, t: Time, h: StepSize, z: Tensor) -> Tensor:
    """Return z' by the explicit midpoint rule, or z where that leads far away."""
    change = h * fitting(_flow(field, t, z, field.gradient(t, z)), z)
    middle, half = z + 0.5 * change, t + 0.5 * h
    moved = h * fitting(_flow(field, half, middle, field.gradient(half, middle)), z)
    # There h L > 2, and the rounding of a huge energy would pass for a tolerance.
    near = norms(moved.detach()) <= 2 * norms(change.detach())
    return torch.where(near.reshape(-1, *(1,) * (z.ndim - 1)), z + moved, z)


def _scale(
    field: GradientForm, t: Time, h: StepSize, z: Tensor, parts: Sequence[Increment]
) -> Tensor:
    """Return the size of each sample below which z' is rounding: that of z, and of H in it.

    H(z') is known to the rounding of H, so z' to that over ‖∇H‖ only: much less than z
    itself beside an equilibrium.
    """
    with torch.no_grad():
        noise = _mean([part.noise() for part in parts])
        spread = (h * field.steer(t, z, noise)).detach()
        return norms(z.detach()) + norms(spread)


def _flow(field: GradientForm, t: Time, z: Tensor, gradient: Tensor) -> Tensor:
    """Return S(t, z) g + supply(t, z)."""
    turned = field.steer(t, z, gradient)
    supply = getattr(field, "supply", None)
    supplied = None if supply is None else supply(t, z)
    return turned if supplied is None else turned + supplied


def _mean(values: Sequence[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(list(values)).mean(dim=0)


_ROUNDING = 4  # units of rounding in a difference of two energies


@final
@dataclass(frozen=True, eq=False)
class Increment:
    """A gradient with what it misses of an increment of the energy: g + (missing/size) v.

    What is missing is of third order in the step, but computed by subtraction. Where it is not
    larger than the rounding of that subtraction it is left out: divided by something small it
    would be noise, in the values as in the derivatives.

    Shapes: everything broadcasts to z, (batch, features, *space).

    Source: section 2.2.2.

    Args:
        gradient: g.
        missing: H(z') - H(z) - ⟨g, δ⟩ along the increment δ.
        size: ⟨v, δ⟩.
        direction: v.
        scale: the size of the terms of `missing`.

    Example:
        >>> zero, one = torch.zeros(1, 1), torch.ones(1, 1)
        >>> Increment(one, 1e-9 * one, zero, one, scale=one).discrete_gradient()
        tensor([[1.]])
        >>> Increment(one, one, 2 * one, one, scale=one).discrete_gradient()
        tensor([[1.5000]])
    """

    gradient: Tensor
    missing: Tensor
    size: Tensor
    direction: Tensor
    scale: Tensor

    def discrete_gradient(self) -> Tensor:
        """Return g + (missing/size) v, of finite value and derivative for size 0, too."""
        matters = self._exceeds(_ROUNDING)
        safe = torch.where(matters, self.size, torch.ones_like(self.size))
        missing = torch.where(matters, self.missing, torch.zeros_like(self.missing))
        return self.gradient + missing / safe * self.direction

    def noise(self) -> Tensor:
        """Return how far one unit of rounding in the energy moves the discrete gradient, >= 0."""
        matters = self._exceeds(_ROUNDING / 2)
        safe = torch.where(matters, self.size.detach().abs(), torch.inf)
        return self.scale.detach() / safe * self.direction.detach().abs()

    def _exceeds(self, units: float) -> Tensor:
        unit = units * torch.finfo(self.missing.dtype).eps
        # what is no number is not small
        small = self.missing.detach().abs() <= unit * self.scale.detach()
        return (self.size != 0) & ~small


def along(field: GradientForm, t: Time, z: Tensor, after: Tensor, gradient: Tensor) -> Increment:
    """Return the increment of the energy from z to z', of which a gradient ḡ misses little."""
    # Its discrete gradient is ḡ + (H(z') - H(z) - ⟨ḡ, δ⟩) δ/‖δ‖², δ = z' - z.
    delta = after - z
    start, end = field.energy(t, torch.cat([z, after])).chunk(2)
    missing = end - start - _inner(gradient, delta)
    size = _inner(delta, delta)
    # the last term is what the rounding of z' itself does to H
    reach = norms(gradient.detach()) * norms(after.detach())
    scale = start.abs() + end.abs() + reach
    terms = (x.reshape(-1, *(1,) * (z.ndim - 1)) for x in (missing, size, scale))
    missing, size, scale = terms
    return Increment(gradient, missing, size, delta, scale)


def _inner(x: Tensor, y: Tensor) -> Tensor:
    """Return ⟨x, y⟩ of every sample, (batch,)."""
    return (x * y).flatten(1).sum(dim=1)
