"""Several maps of one input."""

from __future__ import annotations

from typing import cast, final

import torch
from torch import Tensor, nn

from darboux.linear._combined_map import CombinedMap, combines, some, stencil_of
from darboux.linear._linear_map import LinearMap
from darboux.linear._stencil import Stencil, stacked
from darboux.linear._symmetries import stacked_symmetry
from darboux.structure import Equivariant
from darboux.structure._arguments import checked


@final
class Stacked(CombinedMap):
    """The stack x -> (A₁ x, ..., A_m x), outputs concatenated along channels.

    Stencils of one padding make one stencil. Otherwise ‖A‖² <= Σ ‖A_i‖², and
    A A* <= m diag(T₁, ..., T_m) by ‖Σ A_i* y_i‖² <= m Σ ‖A_i* y_i‖².

    Shapes: x is (batch, in_features, *space), A x is (batch, Σ out_features, *space).

    Source: section 2.1.1.

    Args:
        maps: A₁, ..., A_m, with equal in_features.

    Raises:
        ValueError: if there is none, or they do not fit together.

    Example:
        >>> import torch, darboux as dx
        >>> stack = dx.linear.Stacked(dx.linear.Dense(3, 2), dx.linear.Dense(3, 4))
        >>> stack(torch.ones(1, 3)).shape
        torch.Size([1, 6])
    """

    @checked
    def __init__(self, *maps: LinearMap) -> None:
        super().__init__()
        some("Stacked", maps)
        inputs = {map.in_features for map in maps}
        if len(inputs) > 1:
            msg = (
                f"Stacked: expected maps of one input; got in_features {sorted(inputs)}. "
                "Use maps with equal in_features."
            )
            raise ValueError(msg)
        self.maps = nn.ModuleList(maps)
        self.in_features, self.dim = maps[0].in_features, maps[0].dim
        self.out_features = sum(map.out_features for map in maps)
        self._sizes = [map.out_features for map in maps]
        self.one_stencil = combines(self)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        return stacked([stencil_of(map) for map in self._parts()])

    def equivariant(self) -> Equivariant | None:
        """Return what the map commutes with."""
        return stacked_symmetry([map.equivariant() for map in self._parts()])

    def apply_parts(self, x: Tensor) -> Tensor:
        """Return A x, part by part."""
        return torch.cat([map(x) for map in self._parts()], dim=1)

    def adjoint_parts(self, y: Tensor) -> Tensor:
        """Return A* y, part by part."""
        parts = y.split(self._sizes, dim=1)
        first, *rest = (map.adjoint(part) for map, part in zip(self._parts(), parts, strict=True))
        for term in rest:
            first = first + term
        return first

    def norm_of_parts(self) -> Tensor:
        """Return a bound of ‖A‖₂ from the norms of the parts."""
        return torch.stack([map.norm_bound() for map in self._parts()]).norm()

    def rows_of_parts(self) -> Tensor:
        """Return T >= A A* from the bounds of the parts."""
        return len(self.maps) * torch.cat([map.row_bound() for map in self._parts()])

    def _parts(self) -> list[LinearMap]:
        return cast("list[LinearMap]", list(self.maps))
