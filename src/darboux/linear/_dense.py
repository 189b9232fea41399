"""The dense linear map."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.linear._conv import StencilMap, prepared, prepared_adjoint
from darboux.linear._sizes import MOST_WEIGHTS, affordable
from darboux.linear._stencil import Stencil, check_input
from darboux.structure._arguments import Count, checked


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
        ValueError: if a number is not positive, or W has more than 2³¹ entries.

    Example:
        >>> import torch
        >>> Dense(3, 5)(torch.ones(2, 3)).shape
        torch.Size([2, 5])
    """

    weight_is_kernel = True

    @checked
    def __init__(self, in_features: Count, out_features: Count) -> None:
        super().__init__()
        affordable("Dense", "W", in_features * out_features, "Use fewer.", most=MOST_WEIGHTS)
        self.in_features, self.out_features = in_features, out_features
        self.dim = 0
        # The norm of a matrix of standard normals is about √out + √in.
        scale = 1 / (out_features**0.5 + in_features**0.5)
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * scale)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        return Stencil(self.weight, (), "zeros")

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return A x + b in one product."""
        weight = self.weight
        check_input(x, weight)
        shift = bias if bias is None or bias.ndim == 1 else bias.reshape(-1)
        if shift is None or not torch.compiler.is_compiling():
            return F.linear(x, weight, shift)
        y = F.linear(x, weight)
        return y + shift.to(y.dtype)  # a compiler fuses the sum with what follows it

    def prepare(self, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return x -> A x + b, with W and b looked up once."""
        return prepared(self, self.stencil(), bias)

    def prepare_adjoint(self, scale: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return y -> A* diag(s) y, with the product of s and W computed once."""
        return prepared_adjoint(self, self.stencil(), scale)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.in_features}, {self.out_features}"
