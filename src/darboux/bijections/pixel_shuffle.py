"""Pixel shuffle: blocks of pixels become channels, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from darboux.bijections.block_mixing import BlockMixing
from darboux.bijections.blocks import strides
from darboux.linear.sizes import dimension


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

    def __init__(self, dim: int, *, stride: int | Sequence[int] = 2) -> None:
        super().__init__()
        self.stride = strides("PixelShuffle", stride, dimension(dim))

    def mixed(self, blocks: Tensor) -> Tensor:
        """Return the blocks as they are."""
        return blocks

    def unmixed(self, blocks: Tensor) -> Tensor:
        """Return the blocks as they are."""
        return blocks
