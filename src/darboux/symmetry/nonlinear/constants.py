"""Float64 constants that stay exact whatever number format a module is cast to."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def exact(constant: Tensor) -> Tensor:
    """Return a buffer with the bits of a float64 constant: ``.to(dtype)`` casts no integers.

    So ``module.float().double()`` computes with the constant itself, not with what single
    precision left of it; it moves between devices like any buffer, and is no state.

    Example:
        >>> exact(torch.ones(2, dtype=torch.float64)).dtype
        torch.int64
    """
    bits = constant.detach().to(torch.float64).contiguous().view(torch.int64)
    return nn.Buffer(bits, persistent=False)


def value(bits: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the constant of `exact`, rounded to a number format.

    Example:
        >>> value(exact(torch.full((1,), 0.1, dtype=torch.float64)), torch.float64).item()
        0.1
    """
    return bits.view(torch.float64).to(dtype)
