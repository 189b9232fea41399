"""The orthonormal Haar transform of one level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from darboux.bijections._bijection import wide
from darboux.bijections._blocks import BlockMixing, strides
from darboux.bijections._matrices import mix
from darboux.linear._sizes import Axes
from darboux.structure._arguments import Count, checked
from darboux.structure._constants import HasConstants


@final
class Haar(BlockMixing, HasConstants):
    """The orthonormal Haar transform of each channel: averages and details of blocks.

    On one axis y_{2c} = (x_c(2q) + x_c(2q+1))/√2 and y_{2c+1} = (x_c(2q) - x_c(2q+1))/√2, and
    on several axes one after another: channel σ c + i holds the filter that takes differences
    along the axes where i, in binary with the first axis in front, has a 1. Channel σ c is
    2^{d/2} times the mean. For upsampling use ``Inverse(Haar(...))``.

    Shapes: x is (batch, channels, *space), y is (batch, σ · channels, *space / stride) with
    σ the product of the strides.

    Source: section 4.1.3.

    Args:
        dim: spatial axes, 1 to 3.
        stride: 2, or 1 or 2 for each axis: axes with 1 stay as they are.

    Raises:
        ValueError: if a stride is neither 1 nor 2 or all are 1, or an image is not divided.

    Example:
        >>> Haar(2)(torch.ones(1, 1, 2, 2)).flatten()
        tensor([2., 0., 0., 0.])
    """

    signs: Tensor

    @checked
    def __init__(self, dim: Axes, *, stride: Count | Sequence[Count] = 2) -> None:
        super().__init__()
        self.stride = strides("Haar", stride, dim)
        # Signs are integers, so that every floating dtype gets all of its digits.
        self.hold("signs", haar_signs("Haar", self.stride))

    def mixed(self, blocks: Tensor) -> Tensor:
        """Return averages and details of the blocks."""
        with torch.autocast(blocks.device.type, enabled=False):
            exact = wide(blocks)
            matrix = self.signs.to(exact.dtype) * len(self.signs) ** -0.5
            return mix(matrix, exact.flatten(0, 1)).reshape(blocks.shape).to(blocks.dtype)

    def unmixed(self, blocks: Tensor) -> Tensor:
        """Return the pixels: the matrix is symmetric, and thus its own inverse."""
        return self.mixed(blocks)


def haar_signs(name: str, stride: Sequence[int]) -> Tensor:
    """Return the signs of the Haar matrix of a block: (σ, σ), int8, one filter in each row."""
    if any(s not in (1, 2) for s in stride):
        msg = (
            f"{name}: expected strides of 1 or 2, as the Haar transform has; got {tuple(stride)}. "
            "Use PixelShuffle, or OrthogonalResampling(init='pixel-shuffle'), for others."
        )
        raise ValueError(msg)
    signs = torch.ones(1, 1, dtype=torch.int8, device="cpu")
    pair = torch.tensor([[1, 1], [1, -1]], dtype=torch.int8, device="cpu")
    for s in stride:
        if s == 2:
            signs = torch.kron(signs, pair)
    return signs
