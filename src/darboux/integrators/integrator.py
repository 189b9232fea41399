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
    changes. For one-step methods the state is z. The class attributes say what the
    method promises; `darboux.flow` turns them, together with what a field promises, into
    claims. A method that can be undone adds ``step_back(field, t, h, state)``, which returns
    the state at t from the state at t + h.

    Source: section 2.2.
    """

    order: int
    radius: float | None = None  # contractivity radius r of section 2.2.1, None if unknown
    b_stable: bool = False  # nonexpansive with any step where ν <= 0
    symplectic: bool = False  # canonical fields f = J∇H give symplectic maps
    symmetric: bool = False  # a step by -h from t + h undoes the step by h from t
    by_parts: bool = False  # composed of the flows of a field's parts, or of its two shears
    energy_exact: bool = False  # a discrete gradient: H changes exactly by what S and supply say
    equivariant: bool = False  # Φ_h commutes with every orthogonal map that the field commutes with
    doubled: bool = False  # a two-step method: the state is a pair (z, auxiliary)

    def require(self, field: Any) -> None:
        """Refuse a field without the property that the method needs.

        Raises:
            TypeError: naming the property, and the methods that do work.
        """
        del field  # most methods take any field

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
