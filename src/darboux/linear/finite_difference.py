"""Forward differences."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.linear.sizes import dimension, positive
from darboux.linear.stencil import Padding, Stencil
from darboux.linear.stencil_map import StencilMap


@final
class FiniteDifference(StencilMap):
    """The discrete gradient: (D x)(p) = (x(p + e_a) - x(p)) for every axis a, stacked.

    It has no parameters; its norm is 2 √dim. Channels c of axis a are at a·channels + c.

    Shapes: x is (batch, channels, *space), D x is (batch, dim · channels, *space).

    Source: section 2.1.1; the gradient of total variation.

    Args:
        channels: channels of x.
        dim: spatial axes, 1 to 3.
        padding: "circular", or "zeros" for x = 0 outside.

    Raises:
        ValueError: if a size is not positive, or the padding is unknown.

    Example:
        >>> import torch
        >>> FiniteDifference(1, dim=1)(torch.tensor([[[1.0, 4.0, 9.0]]]))
        tensor([[[ 3.,  5., -8.]]])
    """

    def __init__(self, channels: int, *, dim: int, padding: Padding = "circular") -> None:
        super().__init__()
        self.in_features = positive("channels", channels)
        self.dim = dimension(dim)
        self.out_features = dim * channels
        self.padding: Padding = padding
        # Only its dtype and device matter: the kernel follows ``.to(...)``.
        self.unit = nn.Buffer(torch.ones(()), persistent=False)
        self.stencil()  # refuses an unknown padding

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        weight = torch.cat([self._along(axis) for axis in range(self.dim)])
        return Stencil(weight, (0,) * self.dim, self.padding)

    def _along(self, axis: int) -> Tensor:
        channels, dim = self.in_features, self.dim
        ahead = 2 ** (dim - 1 - axis)  # the tap one step along the axis
        index = torch.arange(2**dim, device=self.unit.device)
        kernel = (index == ahead).to(self.unit.dtype) - (index == 0).to(self.unit.dtype)
        eye = torch.eye(channels, dtype=kernel.dtype, device=kernel.device)
        return (eye[..., None] * kernel).reshape(channels, channels, *(2,) * dim)

    def extra_repr(self) -> str:
        """Return the sizes and the padding."""
        return f"{self.in_features}, dim={self.dim}, {self.padding}"
