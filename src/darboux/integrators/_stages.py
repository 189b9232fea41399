"""The equations of the stages of an implicit Runge-Kutta method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from darboux.integrators._integrator import Field, StepSize, Time
from darboux.integrators._step_size import slope_of


@dataclass(frozen=True)
class Stages:
    """One step's equations Z_i = h Σ_j a_ij f(t + c_j h, z + Z_j) for the increments Z."""

    # Increments instead of stages, because what is small beside z would be lost in z + Z.
    # Hairer and Wanner, Solving Ordinary Differential Equations II, IV.8.

    field: Field
    t: Time
    h: StepSize
    z: Tensor
    nodes: tuple[float, ...]
    rows: tuple[tuple[float, ...], ...]

    def start(self) -> Tensor:
        """Return Z = 0."""
        z = self.z.unsqueeze(1)
        return z.new_zeros((len(z), len(self.nodes), *z.shape[2:]))

    def increments(self, increments: Tensor) -> Tensor:
        """Return h Σ_j a_ij f(t + c_j h, z + Z_j)."""
        return mixed(self.rows, self.slopes(increments)) * self.h

    def slopes(self, increments: Tensor) -> Tensor:
        """Return f(t + c_i h, z + Z_i), (batch, s, ...)."""
        states = self.z.unsqueeze(1) + increments
        if is_autonomous(self.field):
            flat = states.flatten(0, 1)
            return slope_of(self.field, self.t, flat).unflatten(0, states.shape[:2])
        times = [cast("float", self.t + node * self.h) for node in self.nodes]
        pairs = zip(times, states.unbind(1), strict=True)
        return torch.stack([slope_of(self.field, time, state) for time, state in pairs], dim=1)


def mixed(rows: tuple[tuple[float, ...], ...], values: Tensor) -> Tensor:
    """Return Σ_j a_ij v_j, (batch, rows, ...), of v, (batch, s, ...)."""
    matrix = torch.tensor(rows, dtype=values.dtype, device=values.device)
    return torch.tensordot(values, matrix, dims=([1], [1])).movedim(-1, 1)


def is_autonomous(field: Any) -> bool:
    """Return whether a field says that it does not look at t; functions do not say."""
    # A bound method, or a partial one, is as autonomous as the field that it belongs to.
    owner = getattr(getattr(field, "func", field), "__self__", None)
    return bool(getattr(field, "autonomous", getattr(owner, "autonomous", False)))
