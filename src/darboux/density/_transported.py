"""Results of a continuous flow, and its time grid."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from darboux.integrators import Field, Integrator
from darboux.integrators._adaptive import Adaptive


@dataclass(frozen=True, eq=False)
class Transported:
    """Where a continuous flow takes samples, and what the way costs.

    kinetic = ∫ ‖f‖²/2 dt and jacobian_norm = ∫ ‖∂f/∂z‖²_F dt (Frobenius; estimated with the probe
    of the trace where that is an estimate). Small multiples of their means, added to the loss,
    make flows that are quick to integrate.

    Shapes: z is (batch, *shape), everything else (batch,).

    Source: section 4.2.3; Finlay et al. 2020, How to train your neural ODE.

    Args:
        z: φ(x).
        log_det: ∫ tr ∂f/∂z dt, log|det Dφ(x)| up to the error of the integrator.
        kinetic: the kinetic energy of the way.
        jacobian_norm: how much the field varies along the way.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.density.TimeConditionedField(torch.nn.Linear(3, 2))
        >>> flow = dx.density.ContinuousFlow(field, shape=2, steps=4)
        >>> moved = flow.transport(torch.randn(5, 2))
        >>> loss = -moved.log_det.mean() + 0.01 * moved.kinetic.mean()
    """

    z: Tensor
    log_det: Tensor
    kinetic: Tensor
    jacobian_norm: Tensor


@dataclass(frozen=True, eq=False)
class DiscretisationError:
    """How much a finer integration moves each sample, and how far the inverse misses.

    With a method of order p and steps that are small enough, the error of the flow itself is
    about 2^p/(2^p - 1) times as large as the difference: hardly larger, if p >= 4.

    Shapes: (batch,) each.

    Args:
        z: ‖φ(x) - φ'(x)‖, φ' with half the steps, or tolerances 100 times as tight.
        log_det: the same of the log-determinants, and so of log p.
        round_trip: ‖φ⁻¹(φ(x)) - x‖.

    Example:
        >>> import torch
        >>> DiscretisationError(*torch.zeros(3, 1)).log_det
        tensor([0.])
    """

    z: Tensor
    log_det: Tensor
    round_trip: Tensor


@dataclass(frozen=True)
class Grid:
    """K steps of equal size from 0 to T, or back from T to 0."""

    integrator: Integrator
    steps: int
    horizon: float

    def run(self, field: Field, z: Tensor, *, back: bool) -> Tensor:
        """Return the features at the other end."""
        size = self.horizon / self.steps
        start, h = (self.horizon, -size) if back else (0.0, size)
        state: Any = self.integrator.init(field, start, h, z)
        for k in range(self.steps):
            state = self.integrator.step(field, start + k * h, h, state)
        return self.integrator.value(state)

    def refined(self) -> Grid:
        """Return twice as many steps, or tolerances 100 times as tight."""
        method = self.integrator
        if isinstance(method, Adaptive):
            finer = dataclasses.replace(method, rtol=method.rtol / 100, atol=method.atol / 100)
            return Grid(finer, self.steps, self.horizon)
        return Grid(method, 2 * self.steps, self.horizon)
