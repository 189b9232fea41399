"""The abstract fixed downsampling: blocks of pixels become channels."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from darboux.bijections.blocks import check_blocks, from_blocks, to_blocks
from darboux.bijections.claims import bijective
from darboux.bijections.orthogonal_bijection import OrthogonalBijection
from darboux.structure import Claims


class BlockMixing(OrthogonalBijection, ABC):
    """A downsampling without parameters: the σ pixels of each block become σ channels.

    The pixels of a block are mixed by one orthogonal matrix, the same for all channels;
    channel c becomes channels σ c, ..., σ c + σ - 1. The inverse is the transpose.

    Shapes: x is (batch, channels, *space), y is (batch, σ · channels, *space / stride).

    Source: section 4.1.3.
    """

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
