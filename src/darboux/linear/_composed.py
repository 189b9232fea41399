"""Products of maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast, final

import torch
from torch import Tensor, nn

from darboux.linear._combined_map import CombinedMap, above_zero, combines, some, stencil_of
from darboux.linear._linear_map import LinearMap
from darboux.linear._stencil import Stencil
from darboux.linear._symmetries import product_symmetry
from darboux.solvers._transforms import without_autocast
from darboux.structure import Equivariant
from darboux.structure._arguments import checked


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

    @checked
    def __init__(self, *maps: LinearMap) -> None:
        super().__init__()
        some("Composed", maps)
        for outer, inner in pairwise(maps):
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
        """Return the kernel of the product, rounded to the dtype of the factors."""
        product = self.exact_stencil()
        return product.to(stencil_of(self._parts()[0]).weight.dtype)

    def exact_stencil(self) -> Stencil:
        """Return the kernel of the product in float64: factors are applied one by one."""
        product, *rest = (stencil_of(map) for map in self._parts())
        with without_autocast(product.weight):
            for factor in rest:
                product = product.after(factor)
        return product

    def equivariant(self) -> Equivariant | None:
        """Return what the map commutes with."""
        return product_symmetry([map.equivariant() for map in self._parts()])

    def shifts(self) -> Tensor | None:
        """Return the directions in which A x may be shifted: those of the last map."""
        return self._parts()[0].shifts()

    def forward(self, x: Tensor) -> Tensor:
        """Return A x, factor by factor."""
        return self.apply_parts(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y, factor by factor."""
        return self.adjoint_parts(y)

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return A x + b, the bias fused into the last factor."""
        last, *rest = self._parts()
        for map in reversed(rest):
            x = map(x)
        return last.affine(x, bias)

    def scaled_adjoint(self, y: Tensor, scale: Tensor) -> Tensor:
        """Return A* diag(s) y, the scale folded into the first factor."""
        first, *rest = self._parts()
        y = first.scaled_adjoint(y, scale)
        for map in rest:
            y = map.adjoint(y)
        return y

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return A* y on an image of a given size, to which the last factor crops."""
        *rest, last = self._parts()
        for map in rest:
            y = map.adjoint(y)
        return last.restore(y, size=size)

    def apply_parts(self, x: Tensor) -> Tensor:
        """Return A x, part by part."""
        for map in reversed(self._parts()):
            x = map(x)
        return x

    def adjoint_parts(self, y: Tensor) -> Tensor:
        """Return A* y, part by part."""
        for map in self._parts():
            y = map.adjoint(y)
        return y

    def norm_of_parts(self) -> Tensor:
        """Return a bound of ‖A‖₂ from the norms of the parts."""
        return torch.stack([map.norm_bound() for map in self._parts()]).prod()

    def rows_of_parts(self) -> Tensor:
        """Return T >= A A* from the bounds of the parts."""
        first, *rest = self._parts()
        rows = first.row_bound()
        for map in rest:
            rows = rows * map.norm_bound().square()
        return above_zero(rows)

    def _parts(self) -> list[LinearMap]:
        return cast("list[LinearMap]", list(self.maps))
