"""Matrices that act on channels: inputs, products, positive diagonals, determinants."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.structure._arguments import Within
from darboux.structure._module import check_features

Fraction = Annotated[float, Within("a number strictly between 0 and 1", above=0, below=1)]

Side = Annotated[
    int,
    Within("a positive integer up to 32768, the side of a square matrix", least=1, most=2**15),
]


def mix(matrix: Tensor, x: Tensor) -> Tensor:
    """Return (M x)(p) = M x(p), a 1x1 convolution."""
    # One product of matrices for each sample: on a CPU as fast as a convolution or faster, and
    # on a GPU not rounded to fewer digits, as convolutions are by default.
    if x.ndim == 2:
        return x @ matrix.T
    product = torch.bmm(matrix.expand(len(x), -1, -1), x.flatten(2))
    return product.reshape(len(x), len(matrix), *x.shape[2:])


def check_channels(name: str, x: Tensor, channels: int, *, dim: int | None = None) -> None:
    """Refuse features with another number of channels or of spatial axes."""
    check_features(name, x)
    axes = (0, 1, 2, 3) if dim is None else (dim,)
    if x.ndim - 2 not in axes or x.shape[1] != channels:
        count = "0 to 3" if dim is None else f"{dim}"
        msg = (
            f"{name}: expected (batch, {channels}, *space) with {count} spatial axes; got shape "
            f"{tuple(x.shape)}. Use a layer with these channels and axes, or reshape."
        )
        raise ValueError(msg)


def result_dtype(name: str, x: Tensor, weight: Tensor) -> torch.dtype:
    """Return the dtype of a result: that of both, or the wider one under autocast."""
    if x.dtype == weight.dtype:
        return x.dtype
    if not (x.is_floating_point() and torch.is_autocast_enabled(x.device.type)):
        msg = (
            f"{name}: expected an input of dtype {weight.dtype}, like the weight; got {x.dtype}. "
            "Use x.to(dtype), layer.to(dtype), or torch.autocast."
        )
        raise TypeError(msg)
    return torch.promote_types(x.dtype, weight.dtype)


def above(raw: Tensor, floor: float) -> Tensor:
    """Return floor + log(1 + e^r) >= floor for every r."""
    return floor + F.softplus(raw)


def raw_of(value: Tensor, floor: float) -> Tensor:
    """Return r with ``above(r, floor)`` equal to a value > floor."""
    rest = value - floor
    return rest + torch.log(-torch.expm1(-rest))


def raw_of_one(floor: float) -> float:
    """Return r with ``above(r, floor)`` equal to 1."""
    return math.log(math.expm1(1 - floor))


def on_diagonal(matrix: Tensor) -> Tensor:
    """Return where the diagonal of a square matrix is: bool, of its shape."""
    place = torch.arange(len(matrix), device=matrix.device)
    return place == place[:, None]


def log_diagonal(matrix: Tensor) -> Tensor:
    """Return Σ_i log|m_ii|: log|det| of a triangular matrix."""
    return torch.where(on_diagonal(matrix), matrix.abs(), 1).log().sum()
