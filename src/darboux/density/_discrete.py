"""Discrete data: from levels to densities and back, and what a density costs in bits."""

from __future__ import annotations

import math
from typing import Annotated, TypeVar

import torch
from torch import Tensor

from darboux.solvers._transforms import nesting
from darboux.structure._arguments import Count, Extended, Within, checked

# More cells than 2²³ cannot be told apart in float32.
Levels = Annotated[int, Within("a number of levels from 2 to 8388608", least=2, most=2**23)]

Number = TypeVar("Number", Extended, Tensor)


@checked
def dequantize(
    x: Tensor,
    levels: Levels,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return (x + u)/levels in [0, 1), u uniform in [0, 1), which `quantize` undoes exactly.

    Levels x become cells of width 1/levels, so that a density can be compared with
    probabilities: see `bits_per_dimension`.

    Shapes: any, kept.

    Source: Theis, van den Oord and Bethge 2016, A note on the evaluation of generative models.

    Args:
        x: whole numbers 0, ..., levels - 1, of any dtype.
        levels: how many values an entry can have, at most 2²³; 256 for bytes.
        generator: the source of random numbers; torch's global one if None.
        dtype: float32 or float64, of the result.

    Raises:
        ValueError: if an entry is no level, the levels are too few or too many, or the dtype is
            another one.

    Example:
        >>> x = torch.tensor([0, 8, 16])
        >>> quantize(dequantize(x, 17), 17)
        tensor([ 0,  8, 16])
    """
    if dtype not in (torch.float32, torch.float64):
        msg = f"dequantize: expected dtype float32 or float64; got {dtype}. Round afterwards."
        raise ValueError(msg)
    _check_whole(x, levels)
    whole = x.to(torch.float64)
    noise = torch.rand(x.shape, generator=generator, dtype=torch.float64, device=x.device)
    y = ((whole + noise) / levels).to(dtype)
    # rounding may cross the border of a cell, by one number at most
    cell = (y.double() * levels).floor()
    y = torch.where(cell > whole, torch.nextafter(y, torch.full_like(y, -1.0)), y)
    return torch.where(cell < whole, torch.nextafter(y, torch.full_like(y, 2.0)), y)


@checked
def quantize(y: Tensor, levels: Levels) -> Tensor:
    """Return the levels of numbers in [0, 1): floor(y levels), int64.

    What lies outside, as samples of a flow may, counts as the nearest level.

    Shapes: any, kept.

    Args:
        y: numbers, of a floating dtype.
        levels: how many values an entry can have.

    Raises:
        ValueError: if levels < 2, or an entry is nan.

    Example:
        >>> quantize(torch.tensor([-0.1, 0.49, 0.5, 1.0]), 2)
        tensor([0, 0, 1, 1])
    """
    if bool(y.isnan().any()):
        msg = "quantize: expected numbers; got nan. Find out which sample the flow has lost."
        raise ValueError(msg)
    return (y.double() * levels).floor().clamp(0, levels - 1).to(torch.int64)


@checked
def bits_per_dimension(nll: Number, *, dimensions: Count, levels: Levels) -> Number:
    """Return nll/(D log 2) + log₂ levels, in bits: what one entry of discrete data costs.

    The density p of dequantised data y lives on [0, 1]^D. The cell of a level vector k has the
    volume levels^(-D), so P(k) = levels^(-D) E_u p((k + u)/levels), and by Jensen's inequality
    -log P(k) <= E_u[-log p(y)] + D log levels. So the result is an upper bound of the bits
    that the best code of P takes. The uniform density, nll = 0, costs log₂ levels: a flow that
    does not stay below has learned nothing.

    Shapes: any, kept.

    Source: Theis, van den Oord and Bethge 2016; Dinh et al. 2017 for images.

    Args:
        nll: -log p(y) in nats, of a density over [0, 1]^D; a number or a tensor.
        dimensions: D, the number of entries of one sample.
        levels: how many values an entry can have.

    Raises:
        ValueError: if dimensions < 1 or levels < 2.

    Example:
        >>> bits_per_dimension(0.0, dimensions=64, levels=256)
        8.0
    """
    return nll / (dimensions * math.log(2)) + math.log2(levels)


def _check_whole(x: Tensor, levels: int) -> None:
    if torch.compiler.is_compiling() or nesting() > 0:
        return
    if bool(
        ((x < 0) | (x > levels - 1) | (x != x.floor() if x.is_floating_point() else x < 0)).any()
    ):
        low, high = float(x.min()), float(x.max())
        msg = (
            f"dequantize: expected whole numbers 0, ..., {levels - 1}; got values from {low:g} to "
            f"{high:g}. Give the levels themselves, for instance bytes with levels=256."
        )
        raise ValueError(msg)
