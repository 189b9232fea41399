"""The method of Störmer and Verlet, also called leapfrog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from darboux.integrators.integrator import Integrator, StepSize, Time
from darboux.integrators.partitioned_step import partitioned_step, require_phase_space
from darboux.integrators.shears import First, Shears, check_first, symplectic_euler

_SHEARS = {
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
@dataclass(frozen=True, kw_only=True)
class StormerVerlet(Integrator):
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
    symplectic = True
    symmetric = True
    by_parts = True

    def __post_init__(self) -> None:
        check_first("StormerVerlet", self.first)

    @property
    def shears(self) -> Shears:
        """The shears of a step."""
        return _SHEARS[self.first]

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
        self.require(field)
        return partitioned_step(self.shears, field, t, h, state, method=self, back=False)

    def step_back(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return (z, p) at time t from (z, p) at t + h, with the errors of `step`."""
        self.require(field)
        return partitioned_step(self.shears, field, t, h, state, method=self, back=True)

    def lipschitz_factor(self, h: StepSize, lipschitz: StepSize) -> Tensor:
        """Return s(|h|L/2)² s(|h|L), s(x) = (x + √(x² + 4))/2, for separable fields of constant L.

        A float64 tensor, (), differentiable in h and L.
        """
        return self.shears.lipschitz_factor(h, lipschitz)
