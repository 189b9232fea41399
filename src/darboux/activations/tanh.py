"""The hyperbolic tangent."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from darboux.activations.activation import Activation


@final
class Tanh(Activation):
    """The hyperbolic tangent.

    σ(x) = tanh x, slopes in [0, 1], γ(x) = log cosh x.

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 2.1.

    Example:
        >>> import torch
        >>> Tanh().antiderivative(torch.tensor([0.0, 1000.0]))
        tensor([  0.0000, 999.3068])
    """

    odd = True

    def forward(self, x: Tensor) -> Tensor:
        """Return tanh x."""
        return torch.tanh(x)

    def slopes(self) -> tuple[float, float]:
        """Return (0, 1)."""
        return (0.0, 1.0)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return log cosh x, accurate to rounding for every x and without overflow."""
        size = x.abs()
        near = size < 1
        # cosh² = 1/(1 - tanh²): no cancellation near 0, and smooth there, unlike |x|.
        tangent = torch.tanh(torch.where(near, x, torch.zeros_like(x)))
        inner = -0.5 * torch.log1p(-tangent.square())
        # cosh x = e^|x| (1 + e^(-2|x|))/2
        outer = size + torch.log1p(torch.exp(-2 * size)) - math.log(2)
        return torch.where(near, inner, outer)
