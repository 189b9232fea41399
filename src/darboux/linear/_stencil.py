"""Stencils: kernels with their place and padding, and the algebra of the maps that they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.linear._frequencies import kernel_offsets, lattice, phases
from darboux.structure._arguments import shown

Padding = Literal["circular", "zeros"]

_PADDINGS = get_args(Padding)


@dataclass(frozen=True)
class Stencil:
    """A translation-invariant linear map (A x)(p) = Σ_t W(t) x(p + o + t).

    t runs over the taps of the kernel W and o is the offset of the first one. Outside
    the image x is continued periodically or by zeros; the output has its size. A dense
    map is a stencil without spatial axes. Everything is differentiable in the kernel.

    Shapes: the weight is (out, in, *kernel); x is (batch, in, *space).

    Args:
        weight: W.
        origin: o, one offset per spatial axis; every kernel covers offset 0.
        padding_mode: "circular" or "zeros".

    Raises:
        ValueError: if the origin does not fit the kernel, or padding_mode is unknown.

    Example:
        >>> import torch
        >>> step = Stencil(torch.tensor([[[-1.0, 1.0]]]), (0,), "circular")
        >>> step.apply(torch.tensor([[[1.0, 4.0, 9.0]]]))
        tensor([[[ 3.,  5., -8.]]])
    """

    weight: Tensor
    origin: tuple[int, ...]
    padding_mode: Padding

    def __post_init__(self) -> None:
        # not `checked`, because maps make one in every call
        given: tuple[object, object] = (self.weight, self.origin)
        if not (isinstance(given[0], Tensor) and isinstance(given[1], tuple)):
            msg = (
                "Stencil: expected a tensor for the weight and a tuple of integers for the origin; "
                f"got {shown(given[0])} and {shown(given[1])}."
            )
            raise TypeError(msg)
        if not isinstance(self.padding_mode, str) or self.padding_mode not in _PADDINGS:
            msg = (
                f"Expected padding_mode 'circular' or 'zeros'; got {self.padding_mode!r}. "
                "Use one of them."
            )
            raise ValueError(msg)
        kernel = self.weight.shape[2:]
        if not kernel and not self.origin:  # a dense map
            return
        if len(self.origin) != len(kernel) or not all(
            -k < o <= 0 for o, k in zip(self.origin, kernel, strict=True)
        ):
            msg = (
                "Expected one origin o with -k < o <= 0 per spatial axis; got "
                f"{self.origin} for a kernel of size {self.kernel_size}. Use o = -((k - 1) // 2)."
            )
            raise ValueError(msg)

    @property
    def dim(self) -> int:
        """Number of spatial axes; 0 for a dense map."""
        return self.weight.ndim - 2

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Number of taps per spatial axis."""
        return tuple(self.weight.shape[2:])

    def apply(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return A x + b: (batch, in, *space) -> (batch, out, *space)."""
        return self.prepare(bias)(x)

    def prepare(self, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Return x -> A x + b, for many x."""
        return _correlation(self.weight, self.origin, self.padding_mode, bias)

    def adjoint(self) -> Stencil:
        """Return ``A*``: channels swapped and taps mirrored, Σ_t W(t)ᵀ y(p - o - t)."""
        mirrored = self.weight.transpose(0, 1)
        if not self.origin:
            return Stencil(mirrored, (), self.padding_mode)
        mirrored = mirrored.flip(tuple(range(2, mirrored.ndim)))
        first = tuple(1 - k - o for o, k in zip(self.origin, self.kernel_size, strict=True))
        return Stencil(mirrored, first, self.padding_mode)

    def to(self, dtype: torch.dtype) -> Stencil:
        """Return the same map with its kernel in another dtype."""
        return Stencil(self.weight.to(dtype), self.origin, self.padding_mode)

    def scaled(self, factor: float | Tensor) -> Stencil:
        """Return c A."""
        return Stencil(self.weight * factor, self.origin, self.padding_mode)

    def scaled_rows(self, scale: Tensor) -> Stencil:
        """Return diag(s) A with s of shape (out,)."""
        factor = scale.to(self.weight.dtype).reshape(-1, *(1,) * (self.weight.ndim - 1))
        return Stencil(self.weight * factor, self.origin, self.padding_mode)

    def plus(self, other: Stencil) -> Stencil:
        """Return A + B.

        Raises:
            TypeError: if the paddings differ.
        """
        first, second = _aligned((self, other))
        return Stencil(first.weight + second.weight, first.origin, self.padding_mode)

    def minus(self, other: Stencil) -> Stencil:
        """Return A - B, as `plus` does."""
        first, second = _aligned((self, other))
        return Stencil(first.weight - second.weight, first.origin, self.padding_mode)

    def plus_identity(self, factor: float) -> Stencil:
        """Return A + c I for a square map."""
        eye = torch.eye(self.weight.shape[0], dtype=self.weight.dtype, device=self.weight.device)
        tap = eye * factor
        if self.dim:
            tap = tap.reshape(*eye.shape, *(1,) * self.dim)
        return self.plus(Stencil(tap, (0,) * self.dim, self.padding_mode))

    def after(self, first: Stencil) -> Stencil:
        """Return the product A B of circular (or dense) maps, in float64: kernels convolve.

        Raises:
            TypeError: if one of them is zero-padded; such a product is no stencil, since
                what B moves across the border is lost.
        """
        if self.dim and "zeros" in (self.padding_mode, first.padding_mode):
            msg = (
                "Expected circular maps; got a product with zero padding, which is no stencil: "
                "its symbol may vanish where its norm does not. Use padding_mode='circular', or "
                "norm_bound(), which multiplies the norms."
            )
            raise TypeError(msg)
        origin = tuple(a + b for a, b in zip(self.origin, first.origin, strict=True))
        return Stencil(_convolve(self.weight, first.weight), origin, self.padding_mode)

    def symbol(self, n: int) -> Tensor:
        """Return A(ξ) = Σ_t W(t) e^{i(o+t)·ξ} at ξ = 2π m/n: complex128, (n^dim, out, in)."""
        offsets = kernel_offsets(self.kernel_size) + torch.tensor(self.origin, dtype=torch.int64)
        cosine, sine = phases(lattice((n,) * self.dim), offsets, (n,) * self.dim)
        kernel = self.weight.double().flatten(2) if self.dim else self.weight.double()[..., None]
        real, imaginary = (
            torch.einsum("oit,ft->foi", kernel, table.to(kernel.device)) for table in (cosine, sine)
        )
        return torch.complex(real, imaginary)


def _aligned(stencils: Sequence[Stencil]) -> tuple[Stencil, ...]:
    """Return the same maps with kernels zero-padded to one common support."""
    if not any(stencil.origin for stencil in stencils):  # dense maps
        return tuple(stencils)
    if len({stencil.padding_mode for stencil in stencils if stencil.dim}) > 1:
        msg = (
            "Expected maps with equal padding; got 'circular' and 'zeros', whose combination is "
            "no stencil. Use one padding for all."
        )
        raise TypeError(msg)
    axes = range(stencils[0].dim)
    first = tuple(min(s.origin[a] for s in stencils) for a in axes)
    last = tuple(max(s.origin[a] + s.kernel_size[a] for s in stencils) for a in axes)
    return tuple(_widened(stencil, first, last) for stencil in stencils)


def stacked(stencils: Sequence[Stencil]) -> Stencil:
    """Return x -> (A x, B x, ...), outputs concatenated along channels."""
    members = _aligned(stencils)
    weight = torch.cat([member.weight for member in members], dim=0)
    return Stencil(weight, members[0].origin, members[0].padding_mode)


def _widened(stencil: Stencil, first: tuple[int, ...], last: tuple[int, ...]) -> Stencil:
    pads: list[int] = []
    for o, k, a, b in zip(stencil.origin, stencil.kernel_size, first, last, strict=True):
        pads = [o - a, b - o - k, *pads]  # F.pad counts axes from the last
    weight = F.pad(stencil.weight, pads) if any(pads) else stencil.weight
    return Stencil(weight, first, stencil.padding_mode)


def _convolve(a: Tensor, b: Tensor) -> Tensor:
    """Return (a * b)(s) = Σ_t a(t) b(s - t), matrix products over the channels, in float64."""
    dim = a.ndim - 2
    if dim == 0:
        return a.double() @ b.double()
    axes = tuple(range(2, 2 + dim))
    convolution = (F.conv1d, F.conv2d, F.conv3d)[dim - 1]
    # Columns of b are the images, and correlation with the mirrored a is convolution.
    full = [k - 1 for k in a.shape[2:]]
    product = convolution(b.double().transpose(0, 1), a.double().flip(axes), padding=full)
    return product.transpose(0, 1)


def _correlation(
    weight: Tensor, origin: tuple[int, ...], padding_mode: str, bias: Tensor | None
) -> Callable[[Tensor], Tensor]:
    """Return x -> y(p) = Σ_t W(t) x(p + o + t) + b, of the size of x."""
    bias = None if bias is None else bias.reshape(-1)
    left = [-o for o in origin]
    right = [o + k - 1 for o, k in zip(origin, weight.shape[2:], strict=True)]
    convolution = (F.conv1d, F.conv2d, F.conv3d)[len(origin) - 1]
    inside = padding_mode == "zeros" and left == right

    def correlate(x: Tensor) -> Tensor:
        check_input(x, weight)
        if not origin:
            return F.linear(x, weight, bias)
        if inside:
            return convolution(x, weight, bias, padding=left)
        return convolution(_padded(x, left, right, padding_mode), weight, bias)

    return correlate


def _padded(x: Tensor, left: list[int], right: list[int], padding_mode: str) -> Tensor:
    if not any(left) and not any(right):
        return x
    if padding_mode == "zeros" or all(
        max(pads) <= n for n, *pads in zip(x.shape[2:], left, right, strict=True)
    ):
        pads = [p for pair in zip(reversed(left), reversed(right), strict=True) for p in pair]
        return F.pad(x, pads, mode="circular" if padding_mode == "circular" else "constant")
    # F.pad goes around an image at most once; small ones are gone around many times.
    for axis, (before, after) in enumerate(zip(left, right, strict=True), start=2):
        n = x.shape[axis]
        x = x.index_select(axis, torch.arange(-before, n + after, device=x.device) % n)
    return x


def check_input(x: Tensor, weight: Tensor) -> None:
    """Refuse an input that a kernel cannot be applied to."""
    if x.ndim != weight.ndim:
        msg = (
            f"Expected an input of {weight.ndim} axes (batch, channels, *space); got shape "
            f"{tuple(x.shape)}. Use unsqueeze(0) to add a missing batch axis."
        )
        raise ValueError(msg)
    if x.shape[1] != weight.shape[1]:
        msg = (
            f"Expected {weight.shape[1]} channels on axis 1; got shape {tuple(x.shape)}. "
            "Use a map whose in_features is that number."
        )
        raise ValueError(msg)
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        msg = (
            f"Expected an input of dtype {weight.dtype}, like the weight; got {x.dtype}. "
            "Use x.to(dtype), map.to(dtype), or torch.autocast."
        )
        raise TypeError(msg)
