"""The rectified linear unit."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.activations.activation import Activation


@final
class ReLU(Activation):
    """The positive part.

    σ(x) = max(x, 0), slopes in [0, 1], γ(x) = max(x, 0)²/2.

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 2.1.

    Example:
        >>> import torch
        >>> ReLU()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    nonnegative = True

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, 0)."""
        return torch.relu(x)

    def slopes(self) -> tuple[float, float]:
        """Return (0, 1)."""
        return (0.0, 1.0)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return max(x, 0)²/2."""
        return 0.5 * torch.relu(x).square()
