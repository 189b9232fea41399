"""Blur: convolution with a kernel, by Fourier transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self, final

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor, nn

from darboux.imaging._operator import Operator, Resolvent
from darboux.linear._remembered import kept_norm_bound
from darboux.linear._spectral import smallest_bound
from darboux.linear._stencil import Stencil
from darboux.structure._arguments import Count, Positive, checked

Border = Literal["circular", "zeros", "valid"]


@final
class Blur(Operator):
    """The convolution (A x)(p) = Σ_t k(t) x(p + c - t) of every channel, c = ⌊size(k)/2⌋.

    Outside, the image is continued periodically ("circular") or by zeros ("zeros"); "valid" keeps
    those pixels only that need none of the outside, so that A x is smaller than x. It is
    evaluated by Fourier transforms, in a time that does not depend on the size of the kernel.
    Its norm is Σ k where all entries are >= 0, and otherwise the proved bound of the transform.

    Shapes: x is (batch, channels, *space), A x as well, with n - size(k) + 1 pixels on each axis
    for "valid". Images are at least as large as the kernel, except for "zeros".

    Source: section 3.2, image deblurring.

    Args:
        kernel: k, with one axis for each spatial axis.
        channels: channels of x.
        padding_mode: "circular", "zeros" or "valid".

    Raises:
        ValueError: if the kernel has no or more than 3 axes, is empty or not finite.

    Example:
        >>> import torch, darboux as dx
        >>> blur = dx.imaging.Blur.gaussian(1.5)
        >>> blur(torch.rand(2, 1, 32, 48)).shape, round(float(blur.norm_bound()), 6)
        (torch.Size([2, 1, 32, 48]), 1.0)
    """

    @checked
    def __init__(
        self, kernel: Tensor, *, channels: Count = 1, padding_mode: Border = "circular"
    ) -> None:
        super().__init__()
        usable_kernel("Blur", kernel)
        self.in_features = self.out_features = channels
        self.dim, self.padding_mode = kernel.ndim, padding_mode
        self.kernel = nn.Buffer(kernel.detach().clone())

    @classmethod
    @checked
    def gaussian(
        cls,
        std: Positive,
        *,
        channels: Count = 1,
        dim: Count = 2,
        padding_mode: Border = "circular",
    ) -> Self:
        """Return a blur with a Gaussian kernel of a standard deviation in pixels, cut at 4 std."""
        reach = math.ceil(4 * std)
        along = (-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / std) ** 2).exp()
        kernel = along
        for _ in range(dim - 1):
            kernel = kernel[..., None] * along
        kernel = (kernel / kernel.sum()).to(torch.get_default_dtype())
        return cls(kernel, channels=channels, padding_mode=padding_mode)

    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""
        wide = self.take(x, self.in_features)
        sizes, starts, lengths = self._grid(x.shape[2:])
        return _cut(self._filtered(wide, sizes, back=False), starts, lengths).to(x.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y."""
        wide, valid = self.take(y, self.out_features), self.padding_mode == "valid"
        space = [m + (k - 1) * valid for m, k in zip(y.shape[2:], self.kernel.shape, strict=True)]
        sizes, starts, _ = self._grid(space)
        pads = [p for start, m in zip(starts, y.shape[2:], strict=True) for p in (0, start)]
        filtered = self._filtered(F.pad(wide, pads[::-1]), sizes, back=True)
        return _cut(filtered, [0] * self.dim, space).to(y.dtype)

    @property
    def resolvent(self) -> Resolvent | None:
        """(b, *, gamma) -> (I + γ A*A)⁻¹ b with a circular border; None with others."""
        return self._resolvent if self.padding_mode == "circular" else None

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂ for every image size: float64, ()."""
        total = self.kernel.double().abs().sum()
        if bool((self.kernel >= 0).all()):
            return total * (1 + self.kernel.numel() * torch.finfo(torch.float64).eps)
        return torch.minimum(total, kept_norm_bound(self, self._stencil()))

    def lower_bound(self) -> Tensor:
        """Return μ >= 0 with ‖A x‖ >= μ ‖x‖: 0 but for circular blur that loses no frequency."""
        if self.padding_mode != "circular":
            return torch.zeros((), dtype=torch.float64, device=self.kernel.device)
        return smallest_bound(self._stencil())

    def extra_repr(self) -> str:
        """Return the sizes and the border."""
        sizes = f"{tuple(self.kernel.shape)}, channels={self.in_features}"
        return f"{sizes}, padding_mode={self.padding_mode!r}"

    def _stencil(self) -> Stencil:
        return Stencil(self.kernel[None, None], (0,) * self.dim, "circular")

    def _grid(self, space: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
        """Return the periods of the transform, and where A x begins and how long it is."""
        pairs = list(zip(space, self.kernel.shape, strict=True))
        if self.padding_mode == "zeros":
            return (
                [next_fast_len(n + k - 1, real=True) for n, k in pairs],
                [0] * self.dim,
                list(space),
            )
        if any(n < k for n, k in pairs):
            msg = (
                f"Blur: expected images at least as large as the kernel, {tuple(self.kernel.shape)}"
                f"; got {tuple(space)}. Use a smaller kernel, or padding_mode='zeros'."
            )
            raise ValueError(msg)
        if self.padding_mode == "circular":
            return list(space), [0] * self.dim, list(space)
        return list(space), [k - 1 - k // 2 for _, k in pairs], [n - k + 1 for n, k in pairs]

    def _filtered(self, x: Tensor, sizes: Sequence[int], *, back: bool) -> Tensor:
        """Return the periodic convolution of x, continued by zeros to a size, with k or k*."""
        if not x.numel():  # MKL refuses it
            return x.new_zeros(*x.shape[:2], *sizes)
        wave, axes = self._wave(x, sizes), tuple(range(-self.dim, 0))
        wave = wave.conj() if back else wave
        return torch.fft.irfftn(torch.fft.rfftn(x, sizes, axes) * wave, sizes, axes)

    def _resolvent(self, b: Tensor, *, gamma: float) -> Tensor:
        wide, axes = self.take(b, self.in_features), tuple(range(-self.dim, 0))
        if not b.numel():
            return b
        sizes, _, _ = self._grid(b.shape[2:])
        curvature = 1 + gamma * self._wave(wide, sizes).abs().square()
        return torch.fft.irfftn(torch.fft.rfftn(wide, dim=axes) / curvature, sizes, axes).to(
            b.dtype
        )

    def _wave(self, like: Tensor, sizes: Sequence[int]) -> Tensor:
        """Return the transform of the kernel, centred at the origin."""
        pads = [p for n, k in zip(sizes, self.kernel.shape, strict=True) for p in (n - k, 0)]
        kernel = F.pad(self.kernel.to(like.dtype), pads[::-1])
        shifts = [-(k // 2) for k in self.kernel.shape]
        return torch.fft.rfftn(kernel.roll(shifts, tuple(range(-self.dim, 0))))


def usable_kernel(owner: str, kernel: Tensor) -> None:
    """Refuse what is no kernel on 1 to 3 axes."""
    fits = kernel.is_floating_point() and 1 <= kernel.ndim <= 3 and kernel.numel() > 0
    if not fits or not (kernel.is_meta or bool(kernel.isfinite().all())):
        msg = (
            f"{owner}: expected a kernel of finite real numbers with 1 to 3 axes; got shape "
            f"{tuple(kernel.shape)} and {kernel.dtype}. Give one axis for each axis of space."
        )
        raise ValueError(msg)


def _cut(x: Tensor, starts: Sequence[int], lengths: Sequence[int]) -> Tensor:
    for axis, (start, length) in enumerate(zip(starts, lengths, strict=True), start=2):
        x = x.narrow(axis, start, length)
    return x
