"""The dense linear map."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.linear._conv import StencilMap
from darboux.linear._sizes import positive
from darboux.linear._stencil import Stencil, check_input


@final
class Dense(StencilMap):
    """The dense map A x = W x.

    Entries start as independent normals of such a variance that ‖W‖₂ is about 1.

    Shapes: x is (batch, in_features), A x is (batch, out_features).

    Source: section 2.1.1.

    Args:
        in_features: number of inputs.
        out_features: number of outputs.

    Raises:
        ValueError: if a number is not positive.

    Example:
        >>> import torch
        >>> Dense(3, 5)(torch.ones(2, 3)).shape
        torch.Size([2, 5])
    """

    weight_is_kernel = True

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features = positive("in_features", in_features)
        self.out_features = positive("out_features", out_features)
        self.dim = 0
        # The norm of a matrix of standard normals is about √out + √in.
        scale = 1 / (out_features**0.5 + in_features**0.5)
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * scale)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        return Stencil(self.weight, (), "zeros")

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return A x + b in one product."""
        return self.prepare(bias)(x)

    def prepare(self, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return x -> A x + b, with W and b looked up once."""
        weight = self.weight
        shift = bias if bias is None or bias.ndim == 1 else bias.reshape(-1)

        def affine(x: Tensor) -> Tensor:
            check_input(x, weight)
            if shift is None or not torch.compiler.is_compiling():
                return F.linear(x, weight, shift)
            y = F.linear(x, weight)
            return y + shift.to(y.dtype)  # a compiler fuses the sum with what follows it

        return affine

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.in_features}, {self.out_features}"
