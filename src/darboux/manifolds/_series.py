"""Functions of a squared angle that are smooth at 0, where square roots are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_NEAR = 0.05  # where a series of _TERMS terms is exact to rounding, with two derivatives

_TERMS = 14


def _near_zero(
    x: Tensor, coefficients: Sequence[float], beyond: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return Σ c_k x^k for small x, and the function beyond."""
    near = x.abs() < _NEAR
    small = torch.where(near, x, 0.0)
    series = torch.zeros_like(x)
    for c in reversed(coefficients):
        series = series * small + c
    return torch.where(near, series, beyond(torch.where(near, 0.5, x)))


def cos_of_sqrt(s: Tensor) -> Tensor:
    """Return cos √s for s >= 0."""
    c = [(-1) ** k / math.factorial(2 * k) for k in range(_TERMS)]
    return _near_zero(s, c, lambda s: s.sqrt().cos())


def sinc_of_sqrt(s: Tensor) -> Tensor:
    """Return sin √s / √s for s >= 0."""
    c = [(-1) ** k / math.factorial(2 * k + 1) for k in range(_TERMS)]
    return _near_zero(s, c, lambda s: s.sqrt().sin() / s.sqrt())


def angle_over_sine(q: Tensor, rest: Tensor) -> Tensor:
    """Return θ / sin θ from q = sin²(θ/2) and rest = 1 - q, for θ in [0, π)."""
    c = [4**k * math.factorial(k) ** 2 / math.factorial(2 * k + 1) for k in range(_TERMS)]
    far = torch.where(q.abs() < _NEAR, 0.5, rest)
    return _near_zero(q, c, lambda q: torch.atan2(q.sqrt(), far.sqrt()) / (q.sqrt() * far.sqrt()))


def cubic_of_sqrt(s: Tensor) -> Tensor:
    """Return (√s - sin √s) / √s³ for s >= 0."""
    c = [(-1) ** k / math.factorial(2 * k + 3) for k in range(_TERMS)]
    return _near_zero(s, c, lambda s: (s.sqrt() - s.sqrt().sin()) / s**1.5)
