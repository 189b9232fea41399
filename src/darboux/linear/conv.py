"""The convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import nn

from darboux.linear.sizes import dimension, kernel_size, positive
from darboux.linear.stencil import Padding, Stencil
from darboux.linear.stencil_map import StencilMap


@final
class Conv(StencilMap):
    """The convolution (A x)(p) = Σ_t W(t) x(p + t), t from -⌊(k-1)/2⌋ to ⌊k/2⌋ on each axis.

    Even kernels reach one tap further forward. The image keeps its size; outside it is
    continued periodically ("circular") or by zeros ("zeros"). Entries of W start as
    independent normals of such a variance that ‖A‖₂ is about 1.

    Shapes: x is (batch, in_channels, *space), A x is (batch, out_channels, *space).

    Source: section 2.1.1.

    Args:
        in_channels: channels of x.
        out_channels: channels of A x.
        kernel: taps per axis, one number for all or one for each.
        dim: spatial axes, 1 to 3.
        padding: "circular" or "zeros".

    Raises:
        ValueError: if a size is not positive, or the padding is unknown.

    Example:
        >>> import torch
        >>> Conv(1, 4, kernel=3, dim=2)(torch.ones(1, 1, 8, 8)).shape
        torch.Size([1, 4, 8, 8])
    """

    weight_is_kernel = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int | Sequence[int],
        dim: int,
        padding: Padding = "circular",
    ) -> None:
        super().__init__()
        self.in_features = positive("in_channels", in_channels)
        self.out_features = positive("out_channels", out_channels)
        self.dim = dimension(dim)
        self.kernel = kernel_size(kernel, dim)
        self.padding: Padding = padding
        # At one frequency the symbol is a matrix of normals of variance Πk; the largest of
        # all frequencies is a little above the typical one.
        scale = 1 / (1.1 * math.prod(self.kernel) ** 0.5 * (out_channels**0.5 + in_channels**0.5))
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, *self.kernel) * scale)
        self.stencil()  # refuses an unknown padding

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        origin = tuple(-((k - 1) // 2) for k in self.kernel)
        return Stencil(self.weight, origin, self.padding)

    def extra_repr(self) -> str:
        """Return the sizes and the padding."""
        return f"{self.in_features}, {self.out_features}, kernel={self.kernel}, {self.padding}"
