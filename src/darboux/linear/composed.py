"""Products of maps."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.linear.combined_map import CombinedMap, combines, stencil_of
from darboux.linear.linear_map import LinearMap
from darboux.linear.sizes import some
from darboux.linear.stencil import Stencil


@final
class Composed(CombinedMap):
    """The product A₁ A₂ ... A_m x: the first argument is applied **last**.

    A product of circular or dense maps is one stencil, whose kernel is the convolution
    of the kernels; it is applied factor by factor all the same. A product with zero
    padding is none: its symbol can vanish where its norm does not, so norms multiply, and
    A A* <= ‖A₂ ... A_m‖² A₁ A₁* <= ‖A₂ ... A_m‖² T₁.

    Shapes: x is (batch, in_features of the last, *space), A x is (batch, out_features of
    the first, *space).

    Source: section 2.1.1.

    Args:
        maps: A₁, ..., A_m.

    Raises:
        ValueError: if there is none, or they do not fit together.

    Example:
        >>> import torch, darboux as dx
        >>> product = dx.linear.Composed(dx.linear.Dense(2, 5), dx.linear.Dense(3, 2))
        >>> product(torch.ones(1, 3)).shape
        torch.Size([1, 5])
    """

    def __init__(self, *maps: LinearMap) -> None:
        super().__init__()
        some("Composed", maps)
        for outer, inner in zip(maps, maps[1:], strict=False):
            if outer.in_features != inner.out_features:
                msg = (
                    "Composed: expected each map to take what the next one gives (the last is "
                    f"applied first); got in_features {outer.in_features} after out_features "
                    f"{inner.out_features}. Use the order A(B x) = Composed(A, B)."
                )
                raise ValueError(msg)
        self.maps = nn.ModuleList(maps)
        self.in_features, self.out_features = maps[-1].in_features, maps[0].out_features
        self.dim = maps[0].dim
        self.one_stencil = combines(self)

    def stencil(self) -> Stencil:
        first, *rest = (stencil_of(map) for map in self.maps)
        with torch.autocast(first.weight.device.type, enabled=False):
            for factor in rest:
                first = first.after(factor)
        return first

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_parts(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.adjoint_parts(y)

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        for map in reversed(self.maps[1:]):
            x = map(x)
        return self.maps[0].affine(x, bias)

    def scaled_adjoint(self, y: Tensor, scale: Tensor) -> Tensor:
        y = self.maps[0].scaled_adjoint(y, scale)
        for map in self.maps[1:]:
            y = map.adjoint(y)
        return y

    def apply_parts(self, x: Tensor) -> Tensor:
        for map in reversed(self.maps):
            x = map(x)
        return x

    def adjoint_parts(self, y: Tensor) -> Tensor:
        for map in self.maps:
            y = map.adjoint(y)
        return y

    def norm_of_parts(self) -> Tensor:
        return torch.stack([map.norm_bound() for map in self.maps]).prod()

    def rows_of_parts(self) -> Tensor:
        rest = [map.norm_bound() for map in self.maps[1:]]
        rows = self.maps[0].row_bound()
        return rows * torch.stack(rest).prod().square() if rest else rows
