"""Blocks of pixels as channels, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from darboux.linear.sizes import kernel_size


def strides(name: str, stride: int | Sequence[int], dim: int) -> tuple[int, ...]:
    """Return one stride per axis, or refuse.

    Args:
        name: who asks.
        stride: one number for all axes, or one for each.
        dim: how many axes.

    Raises:
        ValueError: if there are not `dim` positive integers, or all are 1.

    Example:
        >>> strides("PixelShuffle", 2, 3)
        (2, 2, 2)
    """
    try:
        found = kernel_size(stride, dim)
    except ValueError as error:
        msg = f"{name}: expected stride as one positive number or {dim} of them; got {stride!r}."
        raise ValueError(msg) from error
    if math.prod(found) == 1:
        msg = f"{name}: expected a stride above 1 on some axis; got {found}. Use 2."
        raise ValueError(msg)
    return found


def to_blocks(name: str, x: Tensor, stride: Sequence[int]) -> Tensor:
    """Return (batch, channels, σ, *space / stride): the pixels of a block, in raster order.

    Args:
        name: who asks.
        x: (batch, channels, *space).
        stride: edges of the blocks, σ pixels in each.

    Raises:
        ValueError: if the number of axes differs, or a size is not divided by its stride.

    Example:
        >>> import torch
        >>> to_blocks("Layer", torch.arange(4.0).reshape(1, 1, 4), (2,))
        tensor([[[[0., 2.],
                  [1., 3.]]]])
    """
    size, dim = x.shape[2:], len(stride)
    if len(size) != dim or any(n % s for n, s in zip(size, stride, strict=True)):
        up = [math.ceil(n / s) * s for n, s in zip(size, stride, strict=False)]
        hint = f"Pad it to {up}, or crop it." if len(size) == dim else "Use the right dim."
        msg = (
            f"{name}: expected an image with {dim} spatial axes that {tuple(stride)} divides; got "
            f"shape {tuple(x.shape)}. {hint}"
        )
        raise ValueError(msg)
    pairs = [part for n, s in zip(size, stride, strict=True) for part in (n // s, s)]
    split = x.reshape(*x.shape[:2], *pairs)
    order = (0, 1, *range(3, 3 + 2 * dim, 2), *range(2, 2 + 2 * dim, 2))
    coarse = [n // s for n, s in zip(size, stride, strict=True)]
    return split.permute(order).reshape(*x.shape[:2], math.prod(stride), *coarse)


def from_blocks(blocks: Tensor, stride: Sequence[int]) -> Tensor:
    """Return the image of `to_blocks`: (batch, channels, *space).

    Args:
        blocks: (batch, channels, σ, *space / stride).
        stride: edges of the blocks.

    Example:
        >>> import torch
        >>> x = torch.arange(4.0).reshape(1, 1, 4)
        >>> bool((from_blocks(to_blocks("Layer", x, (2,)), (2,)) == x).all())
        True
    """
    dim, size = len(stride), blocks.shape[3:]
    split = blocks.reshape(*blocks.shape[:2], *stride, *size)
    pairs = [axis for a in range(dim) for axis in (2 + dim + a, 2 + a)]
    fine = [n * s for n, s in zip(size, stride, strict=True)]
    return split.permute(0, 1, *pairs).reshape(*blocks.shape[:2], *fine)


def check_blocks(name: str, y: Tensor, stride: Sequence[int]) -> None:
    """Refuse an image whose channels are no blocks.

    Args:
        name: who asks.
        y: (batch, channels · σ, *space / stride).
        stride: edges of the blocks.

    Raises:
        ValueError: if the number of axes differs, or σ does not divide the channels.

    Example:
        >>> import torch
        >>> check_blocks("PixelShuffle", torch.ones(1, 4, 3, 3), (2, 2))
    """
    pixels = math.prod(stride)
    if y.ndim != len(stride) + 2 or y.shape[1] % pixels:
        msg = (
            f"{name}: expected (batch, {pixels} · channels, *space) with {len(stride)} spatial "
            f"axes; got shape {tuple(y.shape)}. Use what the forward pass returns."
        )
        raise ValueError(msg)
