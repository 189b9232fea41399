"""Blocks of pixels as channels, and back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from darboux.bijections._bijection import bijective
from darboux.bijections._orthogonal_linear import OrthogonalBijection
from darboux.linear._sizes import Axes, kernel_sizes
from darboux.structure import Claims
from darboux.structure._arguments import Count, checked
from darboux.structure._module import check_features


class BlockMixing(OrthogonalBijection, ABC):
    """A downsampling without parameters: the σ pixels of each block become σ channels."""

    # The pixels of a block are mixed by one orthogonal matrix, the same for all channels;
    # channel c becomes channels σ c, ..., σ c + σ - 1. The inverse is the transpose.

    stride: tuple[int, ...]

    @abstractmethod
    def mixed(self, blocks: Tensor) -> Tensor:
        """Return the pixels of each block mixed: (batch, channels, σ, *space), kept."""

    @abstractmethod
    def unmixed(self, blocks: Tensor) -> Tensor:
        """Return the pixels of each block, from what `mixed` made."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the smaller image with more channels."""
        del context
        return self.mixed(to_blocks(type(self).__name__, x, self.stride)).flatten(1, 2)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the larger image with fewer channels."""
        del context
        check_blocks(type(self).__name__, y, self.stride)
        pixels = torch.Size(self.stride).numel()
        blocks = y.reshape(y.shape[0], y.shape[1] // pixels, pixels, *y.shape[2:])
        return from_blocks(self.unmixed(blocks), self.stride)

    def claims(self) -> Claims:
        """Return that pixels are moved and mixed by an orthogonal matrix."""
        reason = "blocks of pixels become channels, mixed by an orthogonal matrix"
        return bijective(reason, volume=True, isometric=True)

    def extra_repr(self) -> str:
        """Return the strides."""
        return f"dim={len(self.stride)}, stride={self.stride}"


@final
class PixelShuffle(BlockMixing):
    """Space to channels: y_{σc+i}(q) = x_c(s q + o_i), o_i the places of a block in raster order.

    For upsampling use ``Inverse(PixelShuffle(...))``.

    Shapes: x is (batch, channels, *space), y is (batch, σ · channels, *space / stride) with
    σ the product of the strides.

    Source: section 4.1.3.

    Args:
        dim: spatial axes, 1 to 3.
        stride: edges of the blocks, one number for all axes or one for each.

    Raises:
        ValueError: if the strides are not positive or all 1, or an image is not divided by them.

    Example:
        >>> import torch
        >>> PixelShuffle(2)(torch.arange(4.0).reshape(1, 1, 2, 2)).flatten()
        tensor([0., 1., 2., 3.])
    """

    @checked
    def __init__(self, dim: Axes, *, stride: Count | Sequence[Count] = 2) -> None:
        super().__init__()
        self.stride = strides("PixelShuffle", stride, dim)

    def mixed(self, blocks: Tensor) -> Tensor:
        """Return the blocks as they are."""
        return blocks

    def unmixed(self, blocks: Tensor) -> Tensor:
        """Return the blocks as they are."""
        return blocks


def strides(name: str, stride: int | Sequence[int], dim: int) -> tuple[int, ...]:
    """Return one stride per axis, or refuse."""
    try:
        found = kernel_sizes(stride, dim)
    except ValueError as error:
        msg = f"{name}: expected stride as one positive number or {dim} of them; got {stride!r}."
        raise ValueError(msg) from error
    if math.prod(found) == 1:
        msg = f"{name}: expected a stride above 1 on some axis; got {found}. Use 2."
        raise ValueError(msg)
    return found


def to_blocks(name: str, x: Tensor, stride: Sequence[int]) -> Tensor:
    """Return (batch, channels, σ, *space / stride): the pixels of a block, in raster order."""
    check_features(name, x)
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
    """Return the image of `to_blocks`: (batch, channels, *space)."""
    dim, size = len(stride), blocks.shape[3:]
    split = blocks.reshape(*blocks.shape[:2], *stride, *size)
    pairs = [axis for a in range(dim) for axis in (2 + dim + a, 2 + a)]
    fine = [n * s for n, s in zip(size, stride, strict=True)]
    return split.permute(0, 1, *pairs).reshape(*blocks.shape[:2], *fine)


def check_blocks(name: str, y: Tensor, stride: Sequence[int]) -> None:
    """Refuse an image whose channels are no blocks."""
    check_features(name, y)
    pixels = math.prod(stride)
    if y.ndim != len(stride) + 2 or y.shape[1] % pixels:
        msg = (
            f"{name}: expected (batch, {pixels} · channels, *space) with {len(stride)} spatial "
            f"axes; got shape {tuple(y.shape)}. Use what the forward pass returns."
        )
        raise ValueError(msg)
