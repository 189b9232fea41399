"""The skew-symmetric part of a map, with damping."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.linear._combined_map import CombinedMap, combines, same_bound, stencil_of
from darboux.linear._linear_map import LinearMap
from darboux.linear._stencil import Stencil
from darboux.linear._symmetries import square_symmetry
from darboux.structure import Equivariant
from darboux.structure._arguments import NonNegative, checked


@final
class SkewPart(CombinedMap):
    """The map K - γI with K = S - S* skew: ⟨(K - γI) x, x⟩ = -γ ‖x‖².

    K is normal with an imaginary spectrum, so ‖K - γI‖² = ‖K‖² + γ².

    Shapes: x and (K - γI) x are (batch, features, *space).

    Source: section 2.1.1; Haber and Ruthotto 2017.

    Args:
        map: S, from features to as many.
        damping: γ >= 0.

    Raises:
        ValueError: if S is not square, or γ is negative.

    Example:
        >>> import torch, darboux as dx
        >>> skew = dx.linear.SkewPart(dx.linear.Dense(4, 4), damping=0.5)
        >>> x = torch.ones(1, 4)
        >>> (skew(x) * x).sum().round(decimals=4).item()
        -2.0
    """

    @checked
    def __init__(self, map: LinearMap, *, damping: NonNegative = 0.0) -> None:
        super().__init__()
        if map.in_features != map.out_features:
            msg = (
                f"SkewPart: expected a square map; got {map.in_features} -> {map.out_features}. "
                "Use a map with in_features = out_features."
            )
            raise ValueError(msg)
        self.map = map
        self.damping = float(damping)
        self.in_features = self.out_features = map.in_features
        self.dim = map.dim
        self.one_stencil = combines(self)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        inner = stencil_of(self.map)
        skew = inner.minus(inner.adjoint())
        return skew.plus_identity(-self.damping) if self.damping else skew

    def equivariant(self) -> Equivariant | None:
        """Return what the map commutes with."""
        return square_symmetry(self.map.equivariant())

    def shifts(self) -> Tensor | None:
        """Return the directions in which A x may be shifted: those of the map."""
        return self.map.shifts()

    def apply_parts(self, x: Tensor) -> Tensor:
        """Return A x, part by part."""
        skew = self.map(x) - self.map.adjoint(x)
        return skew - self.damping * x if self.damping else skew

    def adjoint_parts(self, y: Tensor) -> Tensor:
        """Return A* y, part by part."""
        skew = self.map.adjoint(y) - self.map(y)
        return skew - self.damping * y if self.damping else skew

    def norm_of_parts(self) -> Tensor:
        """Return a bound of ‖A‖₂ from the norms of the parts."""
        return (4 * self.map.norm_bound().square() + self.damping**2).sqrt()

    def rows_of_parts(self) -> Tensor:
        """Return T >= A A* from the bounds of the parts."""
        return same_bound(self.norm_of_parts(), self.out_features)

    def extra_repr(self) -> str:
        """Return the damping."""
        return f"damping={self.damping:g}"
