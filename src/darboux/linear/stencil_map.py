"""The abstract map that is one stencil: everything follows from its kernel."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from darboux.linear.linear_map import LinearMap
from darboux.linear.rows import row_bound
from darboux.linear.smallest import smallest_bound
from darboux.linear.spectral import norm_bound
from darboux.linear.stencil import Stencil


class StencilMap(LinearMap):
    """A translation-invariant map, known by its stencil.

    A class of one's own says what its kernel is, in `stencil`; forward, adjoint and all
    bounds follow.

    Source: section 2.1.1.
    """

    @abstractmethod
    def stencil(self) -> Stencil:
        """Return the kernel of the present parameters, with its place and padding.

        Raises:
            TypeError: if this member of the class is no single stencil.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Return A x: (batch, in_features, *space) -> (batch, out_features, *space)."""
        return self.stencil().apply(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y, exactly: ⟨A x, y⟩ = ⟨x, A* y⟩."""
        return self.stencil().adjoint().apply(y)

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return A x + b in one convolution."""
        return self.stencil().apply(x, None if bias is None else self.shift(bias))

    def scaled_adjoint(self, y: Tensor, scale: Tensor) -> Tensor:
        """Return A* diag(s) y, the scale folded into the kernel."""
        return self.stencil().scaled_rows(scale).adjoint().apply(y)

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂ for every image size: float64, (), differentiable."""
        return norm_bound(self.stencil())

    def row_bound(self) -> Tensor:
        """Return T, (out_features,), float64, with A A* <= diag(T), differentiable."""
        return self.tie(row_bound(self.stencil()))

    def lower_bound(self) -> Tensor:
        """Return μ >= 0 with ‖A x‖ >= μ ‖x‖ for all x: float64, ()."""
        return smallest_bound(self.stencil())

    def symbol(self, n: int) -> Tensor:
        """Return A on the n^dim frequency grid: complex128, (n^dim, out, in)."""
        return self.stencil().symbol(n)
