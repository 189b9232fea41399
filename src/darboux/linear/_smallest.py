"""The lower bound: how much a map shrinks a vector at most."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from darboux.linear._spectral import norm_bound
from darboux.linear._stencil import Stencil

_POINTS = {1: 128, 2: 32, 3: 12}  # samples per axis


def smallest_bound(stencil: Stencil) -> Tensor:
    """Return μ >= 0 with ‖A x‖ >= μ ‖x‖ on every image: float64, ()."""
    # Without taps beyond the centre it is the smallest singular value of a matrix. For
    # circular maps it is the least over a frequency grid, minus what may happen between
    # the samples: |σ_min(A(ξ)) - σ_min(A(ξ'))| <= ‖A(ξ) - A(ξ')‖ <= Σ_a d_a ‖A‖ |ξ_a - ξ'_a|
    # (Bernstein), d = (k-1)/2 after centring the kernel. Truncation by zero padding may
    # lower it to anything, so nothing is concluded there.
    outer, inner = stencil.weight.shape[:2]
    pointwise = all(k == 1 for k in stencil.kernel_size)
    if outer < inner or (stencil.padding_mode == "zeros" and not pointwise):
        return stencil.weight.new_zeros((), dtype=torch.float64)
    with torch.autocast(stencil.weight.device.type, enabled=False):
        if pointwise:
            least = torch.linalg.svdvals(stencil.weight.double().reshape(outer, inner))[-1]
            gap = 0.0
        else:
            n = _POINTS[stencil.dim]
            least = torch.linalg.svdvals(stencil.symbol(n))[:, -1].amin()
            gap = sum((k - 1) / 2 for k in stencil.kernel_size) * math.pi / n
        rounding = (
            8 * (outer + inner) * math.prod(stencil.kernel_size) * torch.finfo(torch.float64).eps
        )
        return (least - (gap + rounding) * norm_bound(stencil)).clamp(min=0)
