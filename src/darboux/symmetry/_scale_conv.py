"""The convolution at several scales."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from torch import Tensor, nn

from darboux.linear._conv import StencilMap
from darboux.linear._sizes import Axes, Taps, affordable
from darboux.linear._stencil import Padding, Stencil
from darboux.structure import Claim, Claims, Kind, Lipschitz
from darboux.structure._arguments import Count, Within, checked
from darboux.structure._module import Module
from darboux.symmetry._scalings import Scalings, hermite_kernels

_Degree = Annotated[int, Within("a degree from 0 to 32", least=0, most=32)]

_SMALLEST = 0.5  # pixels, below which samples of a Gaussian no longer know its width

_REACH = 3.0  # widths of the widest Gaussian that the kernel holds on each side


@final
class ScaleConv(StencilMap):
    """A convolution with one kernel at several scales: steerable by scalings, approximately.

    Channels are (field, scale), the scale running faster. With s_k = s_0 factor^k and learned
    combinations ψ of Gauss-Hermite functions,

        lifting: (A x)_k(p) = Σ_t s_k^-dim ψ(t/s_k) x(p + t),
        else:    (A y)_k(p) = Σ_m Σ_t s_k^-dim ψ_m(t/s_k) y_{k+m}(p + t), 0 <= m < extent,

    where scales beyond the last one count as zero. If x is dilated by the factor, A x is
    dilated and moves by one scale: exactly so in the continuum and for infinitely many
    scales; `scale_error` bounds what sampling changes.

    Shapes: x is (batch, in_fields, *space), lifting, or (batch, in_fields·scales, *space);
    A x is (batch, out_fields·scales, *space).

    Source: slides, symmetry; Sosnovik, Szmaja and Smeulders 2020, Scale-equivariant steerable
    networks.

    Args:
        in_fields: fields of x.
        out_fields: fields of A x.
        scales: how many scales with the ratio √2, or `Scalings`.
        kernel_size: taps per axis, odd; it holds three widths s of the largest scale on each side.
        dim: spatial axes.
        lifting: whether x has no scales yet.
        extent: how many scales interact; unused where lifting.
        degree: the largest degree of the Hermite functions, 0 to 32.
        padding_mode: "circular" or "zeros".

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a size is out of range, the kernel is too small for the scales, or has more
            than 2^26 entries in all.

    Example:
        >>> import torch
        >>> lift = ScaleConv(1, 4, scales=3, kernel_size=9, lifting=True)
        >>> inner = ScaleConv(4, 2, scales=3, kernel_size=9, lifting=False, extent=2)
        >>> inner(lift(torch.ones(1, 1, 16, 16))).shape
        torch.Size([1, 6, 16, 16])
    """

    @checked
    def __init__(
        self,
        in_fields: Count,
        out_fields: Count,
        *,
        scales: Count | Scalings,
        kernel_size: Taps,
        dim: Axes = 2,
        lifting: bool,
        extent: Count = 1,
        degree: _Degree = 2,
        padding_mode: Padding = "circular",
    ) -> None:
        super().__init__()
        self.scalings = scales if isinstance(scales, Scalings) else Scalings(count=scales)
        self.in_fields = in_fields
        self.out_fields = out_fields
        self.dim = dim
        self.lifting = lifting
        self.extent = 1 if lifting else _extent(extent, self.scalings.count)
        self.kernel_size = (_odd(kernel_size),) * dim
        self.padding_mode: Padding = padding_mode
        count = self.scalings.count
        self.in_features = in_fields if lifting else in_fields * count
        self.out_features = out_fields * count
        functions = math.comb(degree + dim, dim) * count
        entries = max(self.in_features * self.out_features, functions) * kernel_size**dim
        affordable("ScaleConv", "a kernel", entries, "Use fewer fields, scales or taps.")
        self.steps = self.scalings.steps(_smallest(self.scalings, kernel_size))
        # float64 and no buffer, so that casts of the module do not round it; cast where used.
        self._basis = hermite_kernels(degree, self.steps, kernel_size, dim)
        self.weight = nn.Parameter(self._start())

    def stencil(self) -> Stencil:
        """Return the kernel of all fields and scales, with its place and padding."""
        basis = self._basis.to(self.weight)
        kernels = torch.einsum("oimn,nk...->okim...", self.weight, basis)
        count = self.scalings.count
        if self.lifting:
            weight = kernels.flatten(0, 1).squeeze(2)
        else:
            # Scale k reads the scales k + m: the entry (k, j) of a matrix of zeros else.
            rows = []
            for k in range(count):
                reach = min(self.extent, count - k)
                row = kernels[:, k, :, :reach]
                shape = (*row.shape[:2], 1, *row.shape[3:])
                before = [row.new_zeros(shape)] * k
                after = [row.new_zeros(shape)] * (count - k - reach)
                rows.append(torch.cat([*before, row, *after], dim=2))
            weight = torch.stack(rows, dim=1).flatten(0, 1).flatten(1, 2)
        origin = tuple(-((k - 1) // 2) for k in self.kernel_size)
        return Stencil(weight, origin, self.padding_mode)

    def extra_repr(self) -> str:
        """Return fields, scales, kernel and padding."""
        kind = "lifting" if self.lifting else f"extent={self.extent}"
        return (
            f"{self.in_fields}, {self.out_fields}, {self.scalings.describe()}, {kind}, "
            f"kernel_size={self.kernel_size}, {self.padding_mode}"
        )

    def _start(self) -> Tensor:
        """Return normal weights (out, in, extent, functions) that make ‖A‖₂ about 1.

        At every scale the symbol is about Σ_n w_n √(2π)^(dim/2) h_n(sξ) i^n: a matrix of normals
        whose variance is (2π)^dim/2 times that of the weights times at most Σ_n ψ_n(0)² ~ 1.
        """
        shape = (self.out_fields, self.in_fields, self.extent, len(self._basis))
        count = 1 if self.lifting else self.scalings.count
        size = (self.out_fields * self.scalings.count) ** 0.5 + (self.in_fields * count) ** 0.5
        spread = math.sqrt(self.extent) * (2 * math.pi) ** (self.dim / 2)
        return torch.randn(shape) / (spread * size)


def _smallest(scalings: Scalings, kernel_size: int) -> float:
    """Return s_0, so that the kernel just holds the largest scale."""
    found = (kernel_size - 1) / 2 / _REACH / scalings.factor ** (scalings.count - 1)
    if found < _SMALLEST:
        least = 2 * math.ceil(_REACH * _SMALLEST * scalings.factor ** (scalings.count - 1)) + 1
        msg = (
            f"ScaleConv: expected a kernel that holds {scalings.count} scales; got {kernel_size} "
            f"taps, which leave {found:.2g} pixels for the smallest. Use kernel_size >= {least}, "
            "fewer scales or a smaller factor."
        )
        raise ValueError(msg)
    return found


def _odd(kernel_size: int) -> int:
    if kernel_size % 2 == 0:
        msg = f"ScaleConv: expected an odd kernel_size; got {kernel_size}. Dilations need a centre."
        raise ValueError(msg)
    return kernel_size


def _extent(extent: int, count: int) -> int:
    if extent > count:
        msg = f"ScaleConv: expected 1 <= extent <= {count} scales; got {extent}."
        raise ValueError(msg)
    return extent


@final
class ScalePooling(Module):
    """The maximum over the scales of every field: y_c(p) = max_k x_{c,k}(p).

    What was found at one scale is found at the next one if the image is dilated, so that y is
    dilated only: y is a scalar, as long as the maximum is not at an end of the window. A
    maximum is nonexpansive.

    Shapes: (batch, fields·scales, *space) -> (batch, fields, *space).

    Source: slides, symmetry.

    Args:
        scales: how many scales, or `Scalings`.

    Raises:
        TypeError: if the scales are no number and no `Scalings`.
        ValueError: if the number of scales is out of range, or does not divide the channels.

    Example:
        >>> import torch
        >>> ScalePooling(2)(torch.tensor([[1.0, 3.0, 5.0, 4.0]]))
        tensor([[3., 5.]])
    """

    @checked
    def __init__(self, scales: Count | Scalings) -> None:
        super().__init__()
        self.scalings = scales if isinstance(scales, Scalings) else Scalings(count=scales)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maxima."""
        return self.scalings.split(x).amax(dim=2)

    def claims(self) -> Claims:
        """Return that a maximum is nonexpansive."""
        reason = "|max x - max y| <= max |x - y| in every field"
        return Claims((Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason),))

    def extra_repr(self) -> str:
        """Return the number of scales."""
        return str(self.scalings.count)
