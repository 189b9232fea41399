"""Maps that are one stencil: the abstract one, convolutions, finite differences."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from darboux.linear._linear_map import LinearMap
from darboux.linear._remembered import (
    adjoint_of_scaled,
    kept_entry_bound,
    kept_norm_bound,
    kept_row_bound,
)
from darboux.linear._sizes import MOST_WEIGHTS, Axes, Taps, affordable, kernel_sizes
from darboux.linear._spectral import smallest_bound
from darboux.linear._stencil import Padding, Stencil, check_input
from darboux.structure._arguments import Count, checked


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
        return adjoint_of_scaled(self, self.stencil(), scale).apply(y)

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂ for every image size: float64, (), differentiable."""
        return kept_norm_bound(self, self.stencil()).clone()

    def row_bound(self) -> Tensor:
        """Return T, (out_features,), float64, with A A* <= diag(T), differentiable."""
        return self.tie(kept_row_bound(self, self.stencil()).clone())

    def entry_bound(self) -> Tensor:
        """Return T = |A| |A|ᵀ 1, (out_features,), float64, with A A* <= diag(T)."""
        return self.tie(kept_entry_bound(self, self.stencil()).clone())

    def lower_bound(self) -> Tensor:
        """Return μ >= 0 with ‖A x‖ >= μ ‖x‖ for all x: float64, ()."""
        return smallest_bound(self.stencil())

    def symbol(self, n: int) -> Tensor:
        """Return A on the n^dim frequency grid: complex128, (n^dim, out, in)."""
        return self.stencil().symbol(n)


def prepared(map: LinearMap, stencil: Stencil, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return x -> A x + b of a map that is one stencil."""
    shift = None if bias is None else map.shift(bias)
    if stencil.dim:
        return stencil.prepare(shift)
    return _product(stencil.weight, None if shift is None else shift.reshape(-1))


def prepared_adjoint(
    map: LinearMap, stencil: Stencil, scale: Tensor | None
) -> Callable[[Tensor], Tensor]:
    """Return y -> A* diag(s) y of a map that is one stencil."""
    adjoint = stencil.adjoint() if scale is None else adjoint_of_scaled(map, stencil, scale)
    if not stencil.dim:
        return _product(adjoint.weight, None)
    # a convolution would copy a transposed kernel in each call
    return replace(adjoint, weight=adjoint.weight.contiguous()).prepare()


def _product(weight: Tensor, shift: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return x -> x Wᵀ + b, with one transposition for all x where `F.linear` has one for each."""
    matrix = weight.T

    def affine(x: Tensor) -> Tensor:
        check_input(x, weight)
        if shift is None:
            return x @ matrix
        if torch.compiler.is_compiling():  # fuses the sum with what follows it
            y = x @ matrix
            return y + shift.to(y.dtype)
        return torch.addmm(shift, x, matrix)

    return affine


@final
class Conv(StencilMap):
    """The convolution (A x)(p) = Σ_t W(t) x(p + t), t from -⌊(k-1)/2⌋ to ⌊k/2⌋ on each axis.

    Even kernels reach one tap further forward. The image keeps its size; outside it is
    continued periodically ("circular") or by zeros ("zeros"). Entries of W start as
    independent normals of such a variance that ‖A‖₂ is about 1.

    Shapes: x is (batch, in_channels, *space), A x is (batch, out_channels, *space).

    Source: section 2.1.1.

    Args:
        in_channels: channels of x.
        out_channels: channels of A x.
        kernel_size: taps per axis, one number for all or one for each.
        dim: spatial axes, 1 to 3.
        padding_mode: "circular" or "zeros".

    Raises:
        ValueError: if a size is out of range, padding_mode is unknown, or W has more than
            2³¹ entries.

    Example:
        >>> import torch
        >>> Conv(1, 4, kernel_size=3, dim=2)(torch.ones(1, 1, 8, 8)).shape
        torch.Size([1, 4, 8, 8])
    """

    weight_is_kernel = True

    @checked
    def __init__(
        self,
        in_channels: Count,
        out_channels: Count,
        *,
        kernel_size: Taps | Sequence[Taps],
        dim: Axes,
        padding_mode: Padding = "circular",
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_channels, out_channels
        self.dim = dim
        self.kernel_size = kernel_sizes(kernel_size, dim)
        entries = in_channels * out_channels * math.prod(self.kernel_size)
        affordable("Conv", "W", entries, "Use fewer channels.", most=MOST_WEIGHTS)
        self.padding_mode: Padding = padding_mode
        # At one frequency the symbol is a matrix of normals of variance Πk; the largest of
        # all frequencies is a little above the typical one.
        scale = 1 / (
            1.1 * math.prod(self.kernel_size) ** 0.5 * (out_channels**0.5 + in_channels**0.5)
        )
        self.weight = nn.Parameter(
            torch.randn(out_channels, in_channels, *self.kernel_size) * scale
        )

    def prepare(self, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return x -> A x + b, with the kernel looked up once."""
        return prepared(self, self.stencil(), bias)

    def prepare_adjoint(self, scale: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return y -> A* diag(s) y, with the kernel mirrored once."""
        return prepared_adjoint(self, self.stencil(), scale)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        origin = tuple(-((k - 1) // 2) for k in self.kernel_size)
        return Stencil(self.weight, origin, self.padding_mode)

    def extra_repr(self) -> str:
        """Return the sizes and the padding."""
        sizes = f"{self.in_features}, {self.out_features}, kernel_size={self.kernel_size}"
        return f"{sizes}, {self.padding_mode}"


@final
class FiniteDifference(StencilMap):
    """The discrete gradient: (D x)(p) = (x(p + e_a) - x(p)) for every axis a, stacked.

    It has no parameters; its norm is 2 √dim. Channels c of axis a are at a·channels + c.

    Shapes: x is (batch, channels, *space), D x is (batch, dim · channels, *space).

    Source: section 2.1.1; the gradient of total variation.

    Args:
        channels: channels of x.
        dim: spatial axes, 1 to 3.
        padding_mode: "circular", or "zeros" for x = 0 outside.

    Raises:
        ValueError: if a size is out of range, padding_mode is unknown, or the kernel has more
            than 2²⁶ entries.

    Example:
        >>> import torch
        >>> FiniteDifference(1, dim=1)(torch.tensor([[[1.0, 4.0, 9.0]]]))
        tensor([[[ 3.,  5., -8.]]])
    """

    @checked
    def __init__(self, channels: Count, *, dim: Axes, padding_mode: Padding = "circular") -> None:
        super().__init__()
        entries = dim * (2**dim) * channels**2
        affordable("FiniteDifference", "a kernel", entries, "Take the channels one by one.")
        self.in_features, self.dim = channels, dim
        self.out_features = dim * channels
        self.padding_mode: Padding = padding_mode
        # Only its dtype and device matter: the kernel follows ``.to(...)``.
        self.unit = nn.Buffer(torch.ones(()), persistent=False)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding."""
        weight = torch.cat([self._along(axis) for axis in range(self.dim)])
        return Stencil(weight, (0,) * self.dim, self.padding_mode)

    def _along(self, axis: int) -> Tensor:
        channels, dim = self.in_features, self.dim
        ahead = 2 ** (dim - 1 - axis)  # the tap one step along the axis
        index = torch.arange(2**dim, device=self.unit.device)
        kernel = (index == ahead).to(self.unit.dtype) - (index == 0).to(self.unit.dtype)
        eye = torch.eye(channels, dtype=kernel.dtype, device=kernel.device)
        return (eye[..., None] * kernel).reshape(channels, channels, *(2,) * dim)

    def extra_repr(self) -> str:
        """Return the sizes and the padding."""
        return f"{self.in_features}, dim={self.dim}, {self.padding_mode}"
