"""Learnable orthogonal downsampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import bijective, wide
from darboux.bijections._blocks import check_blocks, from_blocks, strides, to_blocks
from darboux.bijections._haar import haar_signs
from darboux.bijections._householder_linear import reflected
from darboux.bijections._linear_bijection import LinearBijection, Operator
from darboux.linear._orthogonal import Retraction, orthonormal_columns
from darboux.linear._sizes import Axes, affordable
from darboux.structure import Claims
from darboux.structure._arguments import Count, checked
from darboux.structure._constants import HasConstants

ResamplingMap = Literal["cayley", "exp", "householder"]

ResamplingInit = Literal["haar", "pixel-shuffle"]


@final
class OrthogonalResampling(LinearBijection, HasConstants):
    """Downsampling by learned orthogonal filters, undone by the transposed convolution.

    Each channel has an orthogonal matrix M_c = Q(θ_c) B of size σ, the product of the strides;
    its rows, read in raster order, are the filters that take blocks of channel c to channels
    σ c, ..., σ c + σ - 1. Q is a Cayley transform, an exponential, or a product of an even
    number of reflections, 1 at first; B makes it start as `Haar` or `PixelShuffle` exactly.
    For upsampling use ``Inverse(OrthogonalResampling(...))``.

    Shapes: x is (batch, channels, *space), y is (batch, σ · channels, *space / stride).

    Source: section 4.1.3; Etmann, Ke and Schönlieb 2020, iUNets.

    Args:
        channels: channels of x.
        dim: spatial axes, 1 to 3.
        stride: edges of the blocks, one number for all axes or one for each.
        map: "cayley", "exp" or "householder".
        init: "haar" (strides of 1 or 2) or "pixel-shuffle".

    Raises:
        ValueError: if a name is unknown, or a stride is not positive or not one of Haar's.

    Example:
        >>> layer, x = OrthogonalResampling(3, dim=2), torch.randn(1, 3, 4, 6)
        >>> layer(x).shape, bool(torch.allclose(layer.inverse(layer(x)), x, atol=1e-5))
        (torch.Size([1, 12, 2, 3]), True)
    """

    signs: Tensor

    @checked
    def __init__(
        self,
        channels: Count,
        *,
        dim: Axes,
        stride: Count | Sequence[Count] = 2,
        map: ResamplingMap = "cayley",
        init: ResamplingInit = "haar",
    ) -> None:
        super().__init__()
        self.channels = channels
        self.dim = dim
        self.stride = strides("OrthogonalResampling", stride, dim)
        self.map: ResamplingMap = map
        self.init: ResamplingInit = init
        pixels = math.prod(self.stride)
        entries = channels * pixels**2
        affordable("OrthogonalResampling", "filters", entries, "Use fewer channels or strides.")
        self.out_channels = channels * pixels
        if init == "haar":
            self.hold("signs", haar_signs("OrthogonalResampling", self.stride))
        else:
            self.hold("signs", torch.eye(pixels, dtype=torch.int8, device="cpu"))
        self.weight = nn.Parameter(_start(channels, pixels, map))

    def operator(self) -> Operator:
        """Return M, (channels, σ, σ)."""
        weight = wide(self.weight)
        base = self.signs.to(weight.dtype)
        if self.init == "haar":
            base = base * len(base) ** -0.5
        if self.map == "householder":
            return (reflected(weight) @ base,)
        retraction: Retraction = self.map
        columns = torch.func.vmap(lambda raw: orthonormal_columns(raw, len(base), retraction))
        return (columns(weight) @ base,)

    def act(self, operator: Operator, x: Tensor) -> Tensor:
        """Return the smaller image with more channels."""
        blocks = to_blocks("OrthogonalResampling", x, self.stride)
        return (operator[0] @ blocks.flatten(3)).reshape(blocks.shape).flatten(1, 2)

    def solve(self, operator: Operator, y: Tensor) -> Tensor:
        """Return the larger image with fewer channels: the transposed convolution."""
        check_blocks("OrthogonalResampling", y, self.stride)
        blocks = y.reshape(y.shape[0], self.channels, math.prod(self.stride), *y.shape[2:])
        mixed = (operator[0].mT @ blocks.flatten(3)).reshape(blocks.shape)
        return from_blocks(mixed, self.stride)

    def log_modulus(self, operator: Operator, size: Sequence[int]) -> None:
        """Return None: |det M_c| = 1."""
        del operator, size

    def kernel(self) -> Tensor:
        """Return the filters as a kernel with one group per channel: (σ · channels, 1, *stride)."""
        return self.operator()[0].reshape(-1, 1, *self.stride)

    def claims(self) -> Claims:
        """Return that the resampling is isometric for all parameters."""
        reason = (
            "the pixels of each block are mixed by matrices that are orthogonal for all weights"
        )
        return bijective(reason, volume=True, isometric=True)

    def extra_repr(self) -> str:
        """Return the sizes and names."""
        names = f"map={self.map!r}, init={self.init!r}"
        return f"{self.channels}, dim={self.dim}, stride={self.stride}, {names}"


def _start(channels: int, pixels: int, map: ResamplingMap) -> Tensor:
    """Return parameters with Q = 1: zeros, or reflections in pairs that cancel."""
    if map != "householder":
        return torch.zeros(channels, pixels, pixels)
    half = torch.randn(channels, (pixels + 1) // 2, pixels)
    return half.repeat_interleave(2, dim=1)
