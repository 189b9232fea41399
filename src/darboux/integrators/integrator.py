"""The abstract integrator: one step of a numerical method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor

StepSize = float | Tensor
Time = float | Tensor  # a tensor where it depends on a step size that is one
Field = Callable[[Time, Tensor], Tensor]


class Integrator(ABC):
    """One step z_k -> z_{k+1} of a numerical method for ż = f(t, z).

    State in, state out: the object itself holds coefficients and nothing that
    changes. For one-step methods the state is z.

    Source: section 2.2.
    """

    order: int
    radius: float | None = None  # contractivity radius r of section 2.2.1, None if unknown

    def init(self, field: Field, t: Time, h: StepSize, z: Tensor) -> Any:
        """Return the state that stands for z at time t."""
        del field, t, h
        return z

    @abstractmethod
    def step(self, field: Field, t: Time, h: StepSize, state: Any) -> Any:
        """Return the state at time t + h."""

    def value(self, state: Any) -> Tensor:
        """Return the features z of a state."""
        features: Tensor = state
        return features
