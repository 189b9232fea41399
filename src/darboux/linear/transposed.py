"""The transpose of a map."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.linear.combined_map import CombinedMap, combines, same_bound, stencil_of
from darboux.linear.linear_map import LinearMap
from darboux.linear.stencil import Stencil
from darboux.linear.symmetries import adjoint_symmetry
from darboux.structure import Equivariant


@final
class Transposed(CombinedMap):
    """The adjoint A* of a map A, as a map; parameters are shared.

    Shapes: (batch, map.out_features, *space) -> (batch, map.in_features, *space).

    Source: section 2.1.1.

    Args:
        map: A.

    Example:
        >>> import torch, darboux as dx
        >>> transposed = dx.linear.Transposed(dx.linear.Dense(3, 5))
        >>> transposed(torch.ones(2, 5)).shape
        torch.Size([2, 3])
    """

    def __init__(self, map: LinearMap) -> None:
        super().__init__()
        self.map = map
        self.in_features, self.out_features = map.out_features, map.in_features
        self.dim = map.dim
        self.one_stencil = combines(self)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        return stencil_of(self.map).adjoint()

    def equivariant(self) -> Equivariant | None:
        """Return what the map commutes with."""
        return adjoint_symmetry(self.map.equivariant())

    def apply_parts(self, x: Tensor) -> Tensor:
        """Return A x, part by part."""
        return self.map.adjoint(x)

    def adjoint_parts(self, y: Tensor) -> Tensor:
        """Return A* y, part by part."""
        return self.map(y)

    def norm_of_parts(self) -> Tensor:
        """Return a bound of ‖A‖₂ from the norms of the parts."""
        return self.map.norm_bound()

    def rows_of_parts(self) -> Tensor:
        """Return T >= A A* from the bounds of the parts."""
        return same_bound(self.map.norm_bound(), self.out_features)
