"""Halving and doubling an axis symmetrically, and the exact adjoint."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from darboux.linear.stencil import Padding


def halve(x: Tensor, axis: int, padding: Padding) -> Tensor:
    """Return every second pixel after a blur, symmetric about the centre of the axis.

    For even n the pixels lie between pairs, and the taps are [1, 3, 3, 1]/8; for odd n they are
    0, 2, ..., n - 1, with the taps [1, 2, 1]/4.

    Example:
        >>> halve(torch.arange(6.0), 0, "circular"), halve(torch.arange(5.0), 0, "zeros")
        (tensor([1.2500, 2.5000, 3.7500]), tensor([0.2500, 2.0000, 2.7500]))
    """
    x = x.movedim(axis, -1)
    n = x.shape[-1]
    around = functional.pad(x, (1, 1))
    if padding == "circular":
        around = torch.cat([x[..., -1:], x, x[..., :1]], dim=-1)
    # outer taps are added first, so that reflections commute in rounding too
    if n % 2:
        y = 0.25 * ((around[..., :n:2] + around[..., 2::2]) + 2 * around[..., 1::2])
    else:
        ends = around[..., : n - 1 : 2] + around[..., 3::2]
        y = 0.125 * (ends + 3 * (around[..., 1:n:2] + around[..., 2 : n + 1 : 2]))
    return y.movedim(-1, axis)


def spread(y: Tensor, axis: int, n: int, padding: Padding) -> Tensor:
    """Return the adjoint of `halve` on an axis of n pixels.

    Example:
        >>> spread(torch.ones(2), 0, 4, "circular")
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    y = y.movedim(axis, -1)
    before, after = functional.pad(y, (1, 0)), functional.pad(y, (0, 1))
    if n % 2:  # (y_0, 2 y_0, y_0 + y_1, ..., y_last) of n + 2 pixels
        twice = functional.pad(2 * y, (0, 1))
        around = 0.25 * torch.stack([before + after, twice], dim=-1).flatten(-2)[..., :-1]
    else:
        pairs = [3 * before + after, before + 3 * after]
        around = 0.125 * torch.stack(pairs, dim=-1).flatten(-2)
    x = around[..., 1:-1]
    if padding == "circular":
        x = x + functional.pad(around[..., -1:], (0, n - 1))
        x = x + functional.pad(around[..., :1], (n - 1, 0))
    return x.movedim(-1, axis)
