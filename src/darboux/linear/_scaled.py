"""Multiples and adjoints of a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from darboux.linear._combined_map import CombinedMap, above_zero, combines, same_bound, stencil_of
from darboux.linear._linear_map import LinearMap
from darboux.linear._stencil import Stencil
from darboux.linear._symmetries import adjoint_symmetry
from darboux.structure import Claim, Equivariant, Premise
from darboux.structure._arguments import checked


@final
class Scaled(CombinedMap):
    """The multiple c A of a map A.

    Shapes: those of A.

    Source: section 2.1.1.

    Args:
        map: A.
        factor: c, a fixed real number.

    Raises:
        ValueError: if the factor is not finite.

    Example:
        >>> import torch, darboux as dx
        >>> half = dx.linear.Scaled(dx.linear.FiniteDifference(1, dim=1), factor=0.5)
        >>> half(torch.tensor([[[1.0, 3.0]]]))
        tensor([[[ 1., -1.]]])
    """

    @checked
    def __init__(self, map: LinearMap, *, factor: float) -> None:
        super().__init__()
        self.map = map
        self.factor = float(factor)
        self.in_features, self.out_features = map.in_features, map.out_features
        self.dim = map.dim
        self.one_stencil = combines(self)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        return stencil_of(self.map).scaled(self.factor)

    def equivariant(self) -> Equivariant | None:
        """Return what the map commutes with."""
        return self.map.equivariant()

    def shifts(self) -> Tensor | None:
        """Return the directions in which A x may be shifted: those of the map."""
        return self.map.shifts()

    def apply_parts(self, x: Tensor) -> Tensor:
        """Return A x, part by part."""
        return self.factor * self.map(x)

    def adjoint_parts(self, y: Tensor) -> Tensor:
        """Return A* y, part by part."""
        return self.factor * self.map.adjoint(y)

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return A* y on an image of a given size."""
        return self.factor * self.map.restore(y, size=size)

    def norm_of_parts(self) -> Tensor:
        """Return a bound of ‖A‖₂ from the norms of the parts."""
        return abs(self.factor) * self.map.norm_bound()

    def rows_of_parts(self) -> Tensor:
        """Return T >= A A* from the bounds of the parts."""
        return above_zero(self.factor**2 * self.map.row_bound())

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"factor={self.factor:g}"


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

    @checked
    def __init__(self, map: LinearMap) -> None:
        super().__init__()
        self.map = map
        self.in_features, self.out_features = map.out_features, map.in_features
        self.dim = map.dim
        self.one_stencil = combines(self)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        return stencil_of(self.map).adjoint()

    def constrained(self, layer: LinearMap, premises: tuple[Premise, ...]) -> Claim | None:
        """Return what the constraint on the weight of the map says of a layer."""
        return self.map.constrained(layer, premises)

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
