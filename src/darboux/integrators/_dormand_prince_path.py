"""The way along the steps of Dormand and Prince that a search has found, with its derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from darboux.integrators._dormand_prince_pair import Outputs, along, plain_step
from darboux.integrators._integrator import Field, StepSize, Time, fitting
from darboux.integrators._step_control import look


@dataclass(frozen=True)
class Path:
    """A field along the time from t to t + h."""

    field: Field
    t: Time
    h: StepSize

    def slope(self, t: Tensor, z: Tensor) -> Tensor:
        """Return f(t, z), in the dtype of z."""
        return fitting(self.field(t, z), z)

    def first(self, z: Tensor) -> Tensor:
        """Return f(t, z) where the path begins."""
        slope = self.slope(along(self.clock(_zeros(z)), z), z)
        _check_finite(slope, self.t)
        return slope

    def clock(self, places: Tensor) -> Tensor:
        """Return t + place h for each sample, in float64."""
        return self.t + places * self.h

    def taken(self, places: Tensor, z: Tensor, first: Tensor, outputs: Outputs) -> Tensor:
        """Return the result of given steps, with its derivatives, and those of the outputs."""
        last = places.shape[1] - 2
        for k, (start, end) in enumerate(pairwise(places.unbind(1))):
            h = (end - start) * self.h
            after, slopes = plain_step(self.slope, self.clock(start), h, z, first)
            if k < last or outputs.places:
                slopes.append(self.slope(along(self.clock(end), z), after))
            outputs.collect(z, slopes, h, start, end)
            z, first = after, slopes[-1]
        return z

    def shifted(self, offset: float, h: StepSize, z: Tensor) -> Tensor:
        """Return z at t + offset after a step of size 0, which has the derivatives of a step."""
        time = self.t + offset + _zeros(z)
        first = self.slope(along(time, z), z)
        return plain_step(self.slope, time, h + _zeros(z), z, first)[0]


def _zeros(z: Tensor) -> Tensor:
    return z.new_zeros(len(z), dtype=torch.float64)


def as_number(value: float | Tensor) -> float:
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _check_finite(slope: Tensor, t: Time) -> None:
    if slope.numel() == 0:
        return
    lost = ~slope.detach().reshape(len(slope), -1).isfinite().all(dim=1)
    if look(lost.any, "DormandPrince"):
        msg = (
            f"DormandPrince: expected finite f(t, z); got infinite or nan slopes at t = "
            f"{as_number(t):.6g} in sample {int(lost.to(torch.int8).argmax())} of {len(lost)}. "
            "Correct the state or the field."
        )
        raise ValueError(msg)
