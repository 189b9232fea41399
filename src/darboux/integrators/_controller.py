"""How long the next step of each sample is: error norms, first steps and PI control."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.integrators._embedded import Slope

_ORDER = 5

_SAFETY, _INTEGRAL = 0.9, 0.04  # of the PI controller of Gustafsson, with Hairer's constants

_PROPORTIONAL = 1 / _ORDER - 0.75 * _INTEGRAL

_SHRINK, _GROW = 0.2, 10.0  # of one step to the next

_QUIET = 1e-4  # errors below count as this much

_FIRST = 1e-6  # the first step where nothing moves


@dataclass(frozen=True)
class Tolerance:
    """What error a step may have: that of an entry is measured against atol + rtol |z|."""

    rtol: float
    atol: float

    def norm(self, error: Tensor, z: Tensor, after: Tensor) -> Tensor:
        """Return the root mean square of error/(atol + rtol max(|z|, |z'|)), (batch,), float64."""
        wide = torch.promote_types(z.dtype, torch.float32)
        # relative to less than the rounding of the dtype nothing can be accurate
        rtol = max(self.rtol, 4 * torch.finfo(z.dtype).eps)
        scale = self.atol + rtol * torch.maximum(z.abs(), after.abs()).to(wide)
        ratio = (error.to(wide) / scale).reshape(len(z), -1)
        return ratio.square().mean(dim=1).sqrt().double()


def next_factor(error: Tensor, before: Tensor, *, held: Tensor) -> Tensor:
    """Return the next step over the present one, (batch,)."""
    # Accepted: 0.9 e^(-0.17) e_before^(0.04), at most 1 right after a rejection. Rejected:
    # 0.9 e^(-0.17), below 1. Both within [0.2, 10].
    # Gustafsson 1991; Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
    proportional = _SAFETY * error.nan_to_num(torch.inf, torch.inf).pow(-_PROPORTIONAL)
    accepted = error <= 1
    factor = torch.where(accepted, proportional * before.pow(_INTEGRAL), proportional)
    most = torch.where(accepted & ~held, _GROW, 1.0)
    return torch.minimum(factor.clamp(min=_SHRINK), most)


def quiet(error: Tensor) -> Tensor:
    """Return the error that the controller remembers, at least 1e-4."""
    return error.clamp(min=_QUIET)


def first_step(
    field: Slope, t: Tensor, z: Tensor, slope: Tensor, tolerance: Tolerance, duration: float
) -> Tensor:
    """Return the length of the first step of each sample, (batch,), float64, > 0."""
    # It makes one explicit Euler step h_0 = 0.01 ‖z‖/‖f‖ to see the second derivative, and
    # asks that h⁵ max(‖f‖, ‖f'‖) = 0.01, in the norm of the tolerance.
    # Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
    longest = abs(duration)
    size, speed = tolerance.norm(z, z, z), tolerance.norm(slope, z, z)
    small = (size < 1e-5) | (speed < 1e-5)
    trial = torch.where(small, _FIRST, 0.01 * size / speed).clamp(max=longest)
    h = _along(trial, z) * (1 if duration > 0 else -1)
    change = tolerance.norm(field(t + h, z + h * slope) - slope, z, z) / trial
    fastest = torch.maximum(speed, change.nan_to_num(torch.inf))
    flat = torch.clamp(1e-3 * trial, min=_FIRST)
    second = torch.where(fastest <= 1e-15, flat, (0.01 / fastest).pow(1 / _ORDER))
    # a field that is not finite there gives 0: begin far below, and let the control find out
    second = torch.where(second > 0, second, 1e-3 * trial)
    return torch.minimum(100 * trial, second).clamp(max=longest)


def _along(values: Tensor, z: Tensor) -> Tensor:
    """Return values of samples, shaped to broadcast against z, in its dtype."""
    return values.to(z.dtype).reshape(-1, *(1,) * (z.ndim - 1))
