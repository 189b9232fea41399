"""Smooth activations: tanh, sigmoid and ELU."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from darboux.activations._activation import Activation
from darboux.activations._softplus import softplus

_SERIES = tuple(1 / math.factorial(k) for k in range(2, 20))


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
        return _fused(x) if _is_compiled_for_cpu(x) else torch.tanh(x)

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


def _is_compiled_for_cpu(x: Tensor) -> bool:
    """Return whether a compiler would evaluate tanh again in the backward pass."""
    if not torch.compiler.is_compiling():
        return False
    # An exported graph keeps tanh, for which every runtime has a kernel.
    exporting = getattr(torch.compiler, "is_exporting", None)  # torch >= 2.7
    if exporting is not None and exporting():
        return False
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def _fused(x: Tensor) -> Tensor:
    """Return tanh x = e/(e + 2), e = exp(2x) - 1: what the backward pass needs is kept."""
    # Beyond 20 it is 1 to rounding in float64, and e would overflow.
    e = torch.expm1(2 * x.clamp(-20, 20))
    return e / (e + 2)


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
