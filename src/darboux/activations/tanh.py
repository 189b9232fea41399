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
    """Return whether a compiler would evaluate tanh again in the backward pass.

    An exported graph keeps tanh, for which every runtime has a kernel.
    """
    exporting = getattr(torch.compiler, "is_exporting", None)  # torch >= 2.7
    if not torch.compiler.is_compiling() or (exporting is not None and exporting()):
        return False
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def _fused(x: Tensor) -> Tensor:
    """Return tanh x = e/(e + 2), e = exp(2x) - 1: what the backward pass needs is kept.

    Beyond 20 it is 1 to rounding in float64, and e would overflow.
    """
    e = torch.expm1(2 * x.clamp(-20, 20))
    return e / (e + 2)
