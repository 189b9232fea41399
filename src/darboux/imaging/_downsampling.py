"""Downsampling: a small image from a large one, by a kernel at every s-th pixel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, final

import torch
from torch import Tensor, nn

from darboux.imaging._blur import usable_kernel
from darboux.imaging._operator import Operator
from darboux.linear import Lift
from darboux.linear._remembered import kept_norm_bound
from darboux.linear._sizes import Axes
from darboux.linear._stencil import Stencil
from darboux.structure._arguments import Count, Within, checked

Factor = Annotated[int, Within("an integer from 1 to 64", least=1, most=64)]


@final
class Downsampling(Operator):
    """The small image (A x)(q) = Σ_t k(t) x(s q + c - t) of every channel, periodic at the border.

    Without a kernel it is the mean of blocks of s^dim pixels, with the norm s^(-dim/2). The kernel
    is centred on the blocks, c = ⌊(size(k) + s)/2⌋ - 1. Images whose size s does not divide are
    continued by zeros at the far end; `restore` crops.

    A is a convolution of the image with blocks of pixels as channels, so that its norm, which is
    less than that of the convolution with k, has a proved bound for every image size.

    Shapes: x is (batch, channels, *space), A x is (batch, channels, *⌈space / s⌉).

    Source: section 3.2; super-resolution.

    Args:
        factor: s.
        kernel: k, with `dim` axes, or None for block means.
        channels: channels of x.
        dim: spatial axes, 1 to 3.

    Raises:
        ValueError: if a number is out of range, or the kernel has another number of axes.

    Example:
        >>> import torch, darboux as dx
        >>> half = dx.imaging.Downsampling(2)
        >>> half(torch.rand(1, 1, 8, 6)).shape, round(float(half.norm_bound()), 6)
        (torch.Size([1, 1, 4, 3]), 0.5)
    """

    @checked
    def __init__(
        self,
        factor: Factor,
        *,
        kernel: Tensor | None = None,
        channels: Count = 1,
        dim: Axes = 2,
    ) -> None:
        super().__init__()
        self.in_features = self.out_features = channels
        self.factor, self.dim = factor, dim
        if kernel is None:
            kernel = torch.full((factor,) * dim, float(factor) ** -dim)
        usable_kernel("Downsampling", kernel)
        if kernel.ndim != dim:
            msg = f"Downsampling: expected a kernel with {dim} axes; got {kernel.ndim}. Give dim."
            raise ValueError(msg)
        weight, self.origin = _by_blocks(kernel.detach(), factor)
        self.weight = nn.Buffer(weight)
        self.blocks = Lift(1, factor**dim, dim=dim, shuffle=factor)

    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""
        blocks = self.blocks(_alone(self.take(x, self.in_features)))
        return _together(self._stencil(blocks).apply(blocks), self.in_features).to(x.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y, on an image of s times the size."""
        alone = _alone(self.take(y, self.out_features))
        image = self.blocks.adjoint(self._stencil(alone).adjoint().apply(alone))
        return _together(image, self.in_features).to(y.dtype)

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return A* y on an image of a given size."""
        x = self.adjoint(y)
        for axis, n in enumerate(size, start=2):
            x = x.narrow(axis, 0, n)
        return x

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂ for every image size: float64, ()."""
        return kept_norm_bound(self, self._stencil(self.weight)).clone()

    def extra_repr(self) -> str:
        """Return the factor and the channels."""
        return f"{self.factor}, channels={self.in_features}, dim={self.dim}"

    def _stencil(self, like: Tensor) -> Stencil:
        return Stencil(self.weight.to(like.dtype), self.origin, "circular")


def _by_blocks(kernel: Tensor, s: int) -> tuple[Tensor, tuple[int, ...]]:
    """Return the kernel on blocks, (1, s^dim, *taps), and where its first tap is."""
    # x(s q + u) is pixel u mod s of block q + ⌊u / s⌋.
    places = [[(k + s) // 2 - 1 - t for t in range(k)] for k in kernel.shape]
    first = tuple(min(along) // s for along in places)
    taps = [max(along) // s - o + 1 for along, o in zip(places, first, strict=True)]
    weight = kernel.new_zeros((s,) * kernel.ndim + tuple(taps))
    for t in itertools.product(*map(range, kernel.shape)):
        u = [along[i] for along, i in zip(places, t, strict=True)]
        block = [v // s - o for v, o in zip(u, first, strict=True)]
        weight[(*(v % s for v in u), *block)] = kernel[t]
    return weight.flatten(0, kernel.ndim - 1)[None], first


def _alone(x: Tensor) -> Tensor:
    """Return channels as samples."""
    return x.flatten(0, 1)[:, None]


def _together(x: Tensor, channels: int) -> Tensor:
    return x.reshape(x.shape[0] // channels, channels, *x.shape[2:])
