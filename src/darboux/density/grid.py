"""The steps of a continuous flow."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from darboux.integrators import DormandPrince, Field, Integrator


@dataclass(frozen=True)
class Grid:
    """K steps of equal size from 0 to T, or back from T to 0.

    Source: section 2.2.

    Args:
        integrator: the method.
        steps: K.
        horizon: T.

    Example:
        >>> import torch
        >>> from darboux.integrators import Euler
        >>> Grid(Euler(), 2, 1.0).run(lambda t, z: z, torch.ones(1, 1), back=False)
        tensor([[2.2500]])
    """

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
        if isinstance(method, DormandPrince):
            finer = dataclasses.replace(method, rtol=method.rtol / 100, atol=method.atol / 100)
            return Grid(finer, self.steps, self.horizon)
        return Grid(method, 2 * self.steps, self.horizon)
