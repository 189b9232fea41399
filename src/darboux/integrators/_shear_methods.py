"""Symplectic Euler and Störmer-Verlet: methods whose step is a schedule of shears."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from darboux.integrators._integrator import Integrator, StepSize, Time
from darboux.integrators._partitioned_step import partitioned_step, require_phase_space
from darboux.integrators._shears import First, Shears, symplectic_euler
from darboux.structure._arguments import checked


class ShearMethod(Integrator, ABC):
    """One step of drifts and kicks on phase space, symplectic where the field is canonical.

    Explicit and of determinant 1 where the field is separable; elsewhere
    `darboux.solvers.solve` solves the equations of every first shear of a pair.

    Source: sections 2.2.2 and 2.2.3.
    """

    symplectic = True
    by_parts = True
    invertible = True
    equivariant = True  # both halves turn together
    by_sample = True  # the equations of fields that are not separable

    @property
    @abstractmethod
    def shears(self) -> Shears:
        """The shears of a step."""

    def require(self, field: Any) -> None:
        """Refuse a field that has no phase space.

        Raises:
            TypeError: naming what it lacks, and what works.
        """
        require_phase_space(field, self)

    def step(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return (z, p) at time t + h.

        Args:
            field: a field with ``drift`` and ``kick``.
            t: the time.
            h: the step size, a number or a 0-dimensional tensor, of either sign.
            state: (z, p).

        Raises:
            TypeError: if the field has no phase space.
            ValueError: if the channels cannot be halved, or h has axes.
            ConvergenceError: if the equations of a field that is not separable are not solved.
        """
        return partitioned_step(self, self.shears, field, t, h, state, back=False)

    def step_back(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return (z, p) at time t from (z, p) at t + h, with the errors of `step`."""
        return partitioned_step(self, self.shears, field, t, h, state, back=True)

    def lipschitz_factor(self, h: StepSize, lipschitz: StepSize) -> Tensor:
        """Return Π s(|w h|L) over the shears, s(x) = (x + √(x² + 4))/2, for separable fields.

        Args:
            h: the step size.
            lipschitz: L of drift and of kick.

        Returns:
            A float64 tensor, (), differentiable in h and L.
        """
        return self.shears.lipschitz_factor(h, lipschitz)


_EULER = {
    "drift": Shears(symplectic_euler("drift", node=1.0, weight=1.0)),
    "kick": Shears(symplectic_euler("kick", node=0.0, weight=1.0)),
}


@final
@checked
@dataclass(frozen=True, kw_only=True)
class SymplecticEuler(ShearMethod):
    """The symplectic Euler method (22), of order 1: one half of phase space after the other.

    Drift first:  z' = z + h ∂H/∂p(t+h, z', p),  p' = p - h ∂H/∂z(t+h, z', p).
    Kick first:   p' = p - h ∂H/∂z(t, z, p'),    z' = z + h ∂H/∂p(t, z, p').

    Two shears where the field is separable: explicit, of determinant 1, symplectic where the
    field is canonical. Elsewhere the first line is an equation for z' (or p'), which
    `darboux.solvers.solve` solves; the map is still symplectic for canonical fields. The two
    variants are each other's adjoints, which is how `step_back` undoes a step.

    Shapes: the state (z, p) is (batch, 2 features, *space), kept.

    Source: section 2.2.2, equation (22).

    Args:
        first: "drift" or "kick", what moves first.

    Raises:
        ValueError: if `first` is something else.

    Example:
        >>> import torch, darboux as dx
        >>> linear = dx.linear.Dense(1, 1)
        >>> field = dx.fields.SecondOrderField(linear, dx.activations.Tanh())
        >>> x = torch.tensor([[0.0, 2.0]])
        >>> method = SymplecticEuler()
        >>> after = method.step(field, 0.0, 0.5, x)
        >>> torch.testing.assert_close(method.step_back(field, 0.0, 0.5, after), x)
    """

    first: First = "drift"

    order = 1

    @property
    def shears(self) -> Shears:
        """The two shears of a step."""
        return _EULER[self.first]


_VERLET = {
    "kick": Shears(
        (
            *symplectic_euler("kick", node=0.0, weight=0.5),
            *symplectic_euler("drift", node=1.0, weight=0.5),
        )
    ),
    "drift": Shears(
        (
            *symplectic_euler("drift", node=0.5, weight=0.5),
            *symplectic_euler("kick", node=0.5, weight=0.5),
        )
    ),
}


@final
@checked
@dataclass(frozen=True, kw_only=True)
class StormerVerlet(ShearMethod):
    """The Störmer-Verlet method: symplectic, symmetric, of order 2.

    Kick first, with ṗ = kick and ż = drift:

        p½ = p + h/2 kick(t, z, p½),
        z' = z + h/2 (drift(t, z, p½) + drift(t+h, z', p½)),
        p' = p½ + h/2 kick(t+h, z', p½).

    Drift first, everything at t + h/2:

        z½ = z + h/2 drift(z½, p),  p' = p + h/2 (kick(z½, p) + kick(z½, p')),
        z' = z½ + h/2 drift(z½, p').

    Two halves of symplectic Euler steps, one the adjoint of the other. Where the field is
    separable they are three shears, explicit and of determinant 1, with one drift (or kick)
    if it is autonomous, too; elsewhere `darboux.solvers.solve` solves the equations.

    Shapes: the state (z, p) is (batch, 2 features, *space), kept.

    Source: section 2.2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, VI.3.

    Args:
        first: "kick" or "drift", what moves first.

    Raises:
        ValueError: if `first` is something else.

    Example:
        >>> import torch, darboux as dx
        >>> linear = dx.linear.Dense(1, 1)
        >>> field = dx.fields.SecondOrderField(linear, dx.activations.Tanh())
        >>> flow = dx.Flow(field, StormerVerlet(), horizon=2.0, steps=20)
        >>> x = torch.tensor([[0.0, 2.0]])
        >>> torch.testing.assert_close(flow.inverse(flow(x)), x, atol=1e-5, rtol=1e-5)
    """

    first: First = "kick"

    order = 2
    symmetric = True

    @property
    def shears(self) -> Shears:
        """The shears of a step."""
        return _VERLET[self.first]
