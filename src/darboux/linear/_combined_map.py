"""The abstract map that is made of other maps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from darboux.linear._conv import StencilMap, prepared, prepared_adjoint
from darboux.linear._linear_map import LinearMap
from darboux.linear._remembered import (
    adjoint_of_scaled,
    kept_entry_bound,
    kept_norm_bound,
    kept_row_bound,
)
from darboux.linear._spectral import smallest_bound
from darboux.linear._stencil import Stencil


class CombinedMap(StencilMap):
    """A map made of other maps: one stencil where theirs combine, else bounded part by part.

    Sums, stacks and transposes of stencils with one padding are stencils, and so are
    products of circular ones. Other combinations (zero-padded products, lifts inside)
    are applied part by part, and their norms are bounded by the norms of the parts.

    Constructors end with ``self.one_stencil = combines(self)``.

    Source: section 2.1.1.
    """

    one_stencil: bool

    @abstractmethod
    def apply_parts(self, x: Tensor) -> Tensor:
        """Return A x, part by part."""

    @abstractmethod
    def adjoint_parts(self, y: Tensor) -> Tensor:
        """Return A* y, part by part."""

    @abstractmethod
    def norm_of_parts(self) -> Tensor:
        """Return a bound of ‖A‖₂ from the norms of the parts."""

    @abstractmethod
    def rows_of_parts(self) -> Tensor:
        """Return T >= A A* from the bounds of the parts."""

    def exact_stencil(self) -> Stencil:
        """Return the stencil that the bounds are about, before any rounding of its kernel."""
        return self.stencil()

    def forward(self, x: Tensor) -> Tensor:
        """Return A x: (batch, in_features, *space) -> (batch, out_features, *space)."""
        return self.stencil().apply(x) if self.one_stencil else self.apply_parts(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y, exactly: ⟨A x, y⟩ = ⟨x, A* y⟩."""
        return self.stencil().adjoint().apply(y) if self.one_stencil else self.adjoint_parts(y)

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return A x + b."""
        if self.one_stencil:
            return self.stencil().apply(x, None if bias is None else self.shift(bias))
        y = self.apply_parts(x)
        return y if bias is None else y + self.shift(bias)

    def scaled_adjoint(self, y: Tensor, scale: Tensor) -> Tensor:
        """Return A* diag(s) y."""
        if self.one_stencil:
            return adjoint_of_scaled(self, self.stencil(), scale).apply(y)
        return self.adjoint_parts(y * scale.to(y.dtype).reshape(-1, *(1,) * self.dim))

    def prepare(self, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return x -> A x + b, with the stencil made once."""
        if not self.one_stencil:
            return LinearMap.prepare(self, bias)
        return prepared(self, self.stencil(), bias)

    def prepare_adjoint(self, scale: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return y -> A* diag(s) y, with the stencil made once."""
        if not self.one_stencil:
            return LinearMap.prepare_adjoint(self, scale)
        return prepared_adjoint(self, self.stencil(), scale)

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂ for every image size: float64, (), differentiable."""
        if not self.one_stencil:
            return self.norm_of_parts()
        return kept_norm_bound(self, self.exact_stencil()).clone()

    def row_bound(self) -> Tensor:
        """Return T, (out_features,), float64, with A A* <= diag(T), differentiable."""
        if not self.one_stencil:
            return self.tie(self.rows_of_parts())
        return self.tie(kept_row_bound(self, self.exact_stencil()).clone())

    def entry_bound(self) -> Tensor:
        """Return T, (out_features,), float64, with A A* <= diag(T): of |A| for one stencil."""
        if not self.one_stencil:
            return self.row_bound()
        return self.tie(kept_entry_bound(self, self.exact_stencil()).clone())

    def lower_bound(self) -> Tensor:
        """Return μ >= 0 with ‖A x‖ >= μ ‖x‖ for all x: float64, (). Zero for separate parts."""
        if self.one_stencil:
            return smallest_bound(self.exact_stencil())
        return torch.zeros((), dtype=torch.float64, device=self._like().device)


def combines(combined: CombinedMap) -> bool:
    """Return whether a combination is one stencil."""
    try:
        combined.stencil()
    except TypeError:
        return False
    return True


def stencil_of(part: LinearMap) -> Stencil:
    """Return the stencil of a part."""
    if not isinstance(part, StencilMap):
        msg = (
            f"Expected maps that are stencils; got {type(part).__name__}, which has no symbol. "
            "Use norm_bound(), which bounds the combination part by part."
        )
        raise TypeError(msg)
    return part.stencil()


def above_zero(rows: Tensor) -> Tensor:
    """Return a row bound that is positive where a factor vanishes, too."""
    return rows + torch.finfo(torch.float32).eps ** 2


def same_bound(bound: Tensor, features: int) -> Tensor:
    """Return the row bound ‖A‖² that every row may take."""
    return above_zero(bound.square()).expand(features)


def some(name: str, maps: Sequence[LinearMap]) -> None:
    """Refuse an empty list of maps, and maps on different numbers of axes."""
    dims = sorted({map.dim for map in maps})
    if len(dims) != 1:
        msg = (
            f"{name}: expected at least one map, and all with the same number of spatial axes; "
            f"got {len(maps)} with dim {dims}. Use maps of one dim."
        )
        raise ValueError(msg)
