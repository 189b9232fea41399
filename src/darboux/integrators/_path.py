"""A field along the way that an adaptive method takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.integrators._embedded_coefficients import DORMAND_PRINCE_5
from darboux.integrators._integrator import Field, StepSize, Time, fitting
from darboux.integrators._outputs import along
from darboux.integrators._step_control import VMAP
from darboux.solvers._convergence import numbers


@dataclass(frozen=True)
class Path:
    """A field along the time from t to t + h."""

    field: Field
    t: Time
    h: StepSize

    def slope(self, t: Tensor, z: Tensor) -> Tensor:
        """Return f(t, z), in the dtype of z."""
        return fitting(self.field(t, z), z)

    def first(self, z: Tensor, method: str) -> Tensor:
        """Return f(t, z) where the path begins."""
        slope = self.slope(along(self.clock(_zeros(z)), z), z)
        _check_finite(slope, self.t, method)
        return slope

    def clock(self, places: Tensor) -> Tensor:
        """Return t + place h for each sample, in float64."""
        return self.t + places * self.h

    def clocks(self) -> Tensor:
        """Return t and h in one tensor, in float64."""
        pair = (self.t, self.h)
        device = next((x.device for x in pair if isinstance(x, Tensor)), None)
        return torch.stack([torch.as_tensor(x, dtype=torch.float64, device=device) for x in pair])

    def shifted(self, offset: float, h: StepSize, z: Tensor) -> Tensor:
        """Return z at t + offset after a step of size 0, which has the derivatives of a step."""
        time = self.t + offset + _zeros(z)
        first = self.slope(along(time, z), z)
        return DORMAND_PRINCE_5.stepped(self.slope, time, h + _zeros(z), z, first)[0]


def _zeros(z: Tensor) -> Tensor:
    return z.new_zeros(len(z), dtype=torch.float64)


def as_number(value: float | Tensor) -> float:
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _check_finite(slope: Tensor, t: Time, method: str) -> None:
    if slope.numel() == 0:
        return
    lost = ~slope.detach().reshape(len(slope), -1).isfinite().all(dim=1)
    if numbers(lost, VMAP.format(method=method)).any():
        msg = (
            f"{method}: expected finite f(t, z); got infinite or nan slopes at t = "
            f"{as_number(t):.6g} in sample {int(lost.to(torch.int8).argmax())} of {len(lost)}. "
            "Correct the state or the field."
        )
        raise ValueError(msg)
