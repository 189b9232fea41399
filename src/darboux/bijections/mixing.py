"""Matrices that act on channels, and the number formats that they are applied in."""

from __future__ import annotations

import torch
from torch import Tensor


def mix(matrix: Tensor, x: Tensor) -> Tensor:
    """Return (M x)(p) = M x(p), a 1x1 convolution.

    One product of matrices for each sample: on a CPU as fast as a convolution or faster, and
    on a GPU not rounded to fewer digits, as convolutions are by default.

    Shapes: M is (out, in), x is (batch, in, *space), M x is (batch, out, *space).

    Args:
        matrix: M.
        x: features, in the dtype of M.

    Example:
        >>> mix(torch.tensor([[0.0, 2.0]]), torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
        tensor([[[6., 8.]]])
    """
    if x.ndim == 2:
        return x @ matrix.T
    product = torch.bmm(matrix.expand(len(x), -1, -1), x.flatten(2))
    return product.reshape(len(x), len(matrix), *x.shape[2:])


def wide(x: Tensor) -> Tensor:
    """Return x in float32 at least: constraints and solves lose too much in fewer digits.

    Example:
        >>> wide(torch.ones(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def check_channels(name: str, x: Tensor, channels: int, *, dim: int | None = None) -> None:
    """Refuse features with another number of channels or of spatial axes.

    Args:
        name: who asks.
        x: the features.
        channels: how many are expected on axis 1.
        dim: how many spatial axes are; 0 to 3 if None.

    Raises:
        ValueError: if the shape is another one.

    Example:
        >>> check_channels("Layer", torch.ones(1, 3, 4, 4), 3, dim=2)
    """
    axes = (0, 1, 2, 3) if dim is None else (dim,)
    if x.ndim - 2 not in axes or x.shape[1] != channels:
        count = "0 to 3" if dim is None else f"{dim}"
        msg = (
            f"{name}: expected (batch, {channels}, *space) with {count} spatial axes; got shape "
            f"{tuple(x.shape)}. Use a layer with these channels and axes, or reshape."
        )
        raise ValueError(msg)


def result_dtype(name: str, x: Tensor, weight: Tensor) -> torch.dtype:
    """Return the dtype of a result: that of both, or the wider one under autocast.

    Args:
        name: who asks.
        x: the features.
        weight: a parameter.

    Raises:
        TypeError: if they differ without autocast.

    Example:
        >>> result_dtype("Layer", torch.ones(1), torch.ones(1))
        torch.float32
    """
    if x.dtype == weight.dtype:
        return x.dtype
    if not (x.is_floating_point() and torch.is_autocast_enabled(x.device.type)):
        msg = (
            f"{name}: expected an input of dtype {weight.dtype}, like the weight; got {x.dtype}. "
            "Use x.to(dtype), layer.to(dtype), or torch.autocast."
        )
        raise TypeError(msg)
    return torch.promote_types(x.dtype, weight.dtype)
