"""A map whose norm is at most a number, whatever its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, final

from torch import Tensor

from darboux.linear._constraints import shrunk
from darboux.linear._conv import StencilMap
from darboux.linear._remembered import Remembered, kept_row_bound
from darboux.linear._spectral import kernel_bound
from darboux.linear._stencil import Stencil
from darboux.linear._symmetries import adjoint_symmetry, tied
from darboux.structure import Claim, Claims, Equivariant, Kind, Lipschitz, adjoint_of, norm_at_most
from darboux.structure._arguments import Positive, checked

NormControl = Literal["rows", "spectral"]
"""How a map is kept below a norm: by its row sums, or by its proved spectral norm."""


@final
class Shrunk(StencilMap):
    """The map A, shrunk so that ‖A‖₂ <= c holds for all parameters of A.

    "rows" multiplies by a diagonal: with A A* <= diag(T), the row bound of A,
    D A has D A A* D <= D diag(T) D <= c² where D = diag(min(1, c/√T)); where A has fewer inputs
    than outputs, the same for A*, that is A D. It takes one product of the kernel with
    itself. "spectral" divides by one number, A c / max(c, bound(A)): tighter at the start of
    training, and several times as expensive. Maps that are small enough stay as they are.

    Shapes: those of A.

    Source: section 4.1.2, equation (47); Prach and Lampert 2022 for the diagonal.

    Args:
        map: A, a dense map or a convolution.
        norm: c > 0.
        by: "rows" or "spectral".

    Raises:
        TypeError: if A is no single stencil.
        ValueError: if c is not positive, or `by` is unknown.

    Example:
        >>> import darboux as dx
        >>> half = Shrunk(dx.linear.Dense(3, 3), norm=0.5)
        >>> bool(half.norm_bound() <= 0.5)
        True
    """

    @checked
    def __init__(self, map: StencilMap, *, norm: Positive = 1.0, by: NormControl = "rows") -> None:
        super().__init__()
        self.map = map
        self.norm = float(norm)
        self.by: NormControl = by
        self.in_features, self.out_features = map.in_features, map.out_features
        self.dim = map.dim

    def stencil(self) -> Stencil:
        """Return the kernel after shrinking, with its place and padding."""
        return self._shrunk(self.map.stencil())

    def equivariant(self) -> Equivariant | None:
        """Return what the map commutes with."""
        return self.map.equivariant()

    def prepare(self, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return x -> A x + b, shrunk once for many x."""
        return kept_stencil(self).prepare(None if bias is None else self.shift(bias))

    def shifts(self) -> Tensor | None:
        """Return the directions in which A x may be shifted: those of A."""
        return self.map.shifts()

    def claims(self) -> Claims:
        """Return that the map is Lipschitz with c, for all parameters."""
        reason = f"the map is shrunk to the norm c = {self.norm:g} by its {self.by} bound"
        premises = (norm_at_most(self), adjoint_of(self))
        bound = Claim(Lipschitz(self.norm), Kind.CONSTRUCTION, reason, premises)
        return Claims((bound, *self.symmetries()))

    def extra_repr(self) -> str:
        """Return the norm and how it is kept."""
        return f"norm={self.norm:g}, by={self.by!r}"

    def _shrunk(self, stencil: Stencil) -> Stencil:
        if self.by == "spectral":
            return self._within(stencil, kernel_bound(stencil.weight))
        if self.out_features <= self.in_features:
            return self._shrunk_rows(stencil, self.map.equivariant())
        symmetry = adjoint_symmetry(self.map.equivariant())
        return self._shrunk_rows(stencil.adjoint(), symmetry).adjoint()

    def _shrunk_rows(self, stencil: Stencil, symmetry: Equivariant | None) -> Stencil:
        rows = tied(kept_row_bound(self, stencil), symmetry).sqrt()
        return self._within(stencil, rows.reshape(-1, *(1,) * (stencil.weight.ndim - 1)))

    def _within(self, stencil: Stencil, bound: Tensor) -> Stencil:
        return replace(stencil, weight=shrunk(stencil.weight, bound, self.norm))


def kept_stencil(map: Shrunk) -> Stencil:
    """Return the kernel after shrinking; callers do not write into it."""
    return _within_norm(map, map.map.stencil(), options=(map.norm, map.by))


@Remembered
def _within_norm(map: Shrunk, stencil: Stencil) -> Stencil:
    return map._shrunk(stencil)
