"""The abstract method whose step is a schedule of shears."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from darboux.integrators.integrator import Integrator, StepSize, Time
from darboux.integrators.partitioned_step import partitioned_step, require_phase_space
from darboux.integrators.shears import Shears


class ShearMethod(Integrator, ABC):
    """One step of drifts and kicks on phase space, symplectic where the field is canonical.

    Explicit and of determinant 1 where the field is separable; elsewhere
    `darboux.solvers.solve` solves the equations of every first shear of a pair.

    Source: sections 2.2.2 and 2.2.3.
    """

    symplectic = True
    by_parts = True
    equivariant = True  # both halves turn together

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
        self.require(field)
        return partitioned_step(self.shears, field, t, h, state, method=self, back=False)

    def step_back(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return (z, p) at time t from (z, p) at t + h, with the errors of `step`."""
        self.require(field)
        return partitioned_step(self.shears, field, t, h, state, method=self, back=True)

    def lipschitz_factor(self, h: StepSize, lipschitz: StepSize) -> Tensor:
        """Return Π s(|w h|L) over the shears, s(x) = (x + √(x² + 4))/2, for separable fields.

        Args:
            h: the step size.
            lipschitz: L of drift and of kick.

        Returns:
            A float64 tensor, (), differentiable in h and L.
        """
        return self.shears.lipschitz_factor(h, lipschitz)
