"""The exponential linear unit."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from darboux.activations.activation import Activation

_SERIES = tuple(1 / math.factorial(k) for k in range(2, 20))


@final
class ELU(Activation):
    """The identity for positive and e^x - 1 for negative entries.

    Slopes in [0, 1]; γ(x) = x²/2 for x > 0, e^x - 1 - x else.

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 2.1; Clevert, Unterthiner and Hochreiter 2016.

    Example:
        >>> import torch
        >>> ELU()(torch.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x where x > 0, e^x - 1 elsewhere."""
        return torch.nn.functional.elu(x)

    def slopes(self) -> tuple[float, float]:
        """Return (0, 1)."""
        return (0.0, 1.0)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return x²/2 where x > 0, e^x - 1 - x elsewhere, accurate to rounding near 0, too."""
        near = (x > -1) & (x <= 0)
        inner = torch.where(near, x, torch.zeros_like(x))
        outer = torch.where(x <= -1, x, torch.full_like(x, -1.0))
        tail = torch.full_like(x, _SERIES[-1])
        for coefficient in _SERIES[-2::-1]:
            tail = tail * inner + coefficient
        # below -1 nothing cancels
        negative = torch.where(near, inner.square() * tail, torch.expm1(outer) - outer)
        return torch.where(x > 0, 0.5 * x.square(), negative)
