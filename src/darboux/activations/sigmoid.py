"""The logistic sigmoid."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.activations.activation import Activation
from darboux.activations.softplus import softplus


@final
class Sigmoid(Activation):
    """The logistic function.

    σ(x) = 1/(1 + e^(-x)), slopes in [0, 1/4], γ(x) = log(1 + e^x).

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 2.1.

    Example:
        >>> import torch
        >>> Sigmoid()(torch.tensor([0.0]))
        tensor([0.5000])
    """

    nonnegative = True

    def forward(self, x: Tensor) -> Tensor:
        """Return 1/(1 + e^(-x))."""
        return torch.sigmoid(x)

    def slopes(self) -> tuple[float, float]:
        """Return (0, 1/4)."""
        return (0.0, 0.25)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return log(1 + e^x), without overflow."""
        return softplus(x)
