"""Periodic convolutions that are invertible for all parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import bijective, wide
from darboux.bijections._linear_bijection import LinearBijection, Operator
from darboux.bijections._matrices import Fraction
from darboux.linear import Spectral, Stencil
from darboux.linear._sizes import Axes, Taps, affordable, kernel_sizes
from darboux.solvers._nested import log_abs_det, solved
from darboux.structure import BiLipschitz, Claims, Kind
from darboux.structure._arguments import Count, checked


@final
class PeriodicConv(LinearBijection):
    """y = x + B x with a periodic convolution B of norm ‖B‖₂ <= c < 1.

    B is a free kernel, shrunk where the rigorous bound of its norm, over all frequencies and
    thus all image sizes, exceeds c: (1-c)‖x‖ <= ‖y‖ <= (1+c)‖x‖ for all parameters. A
    mixing of channels beside it lifts the restriction to a neighbourhood of 1.
    log|det| is the sum of log|det A(ξ)| over the frequencies of the image, A(ξ) = 1 + B(ξ),
    and the inverse solves with A(ξ) at each of them: a Fourier transform and P matrices.

    Shapes: x and y are (batch, channels, *space), of any size, even below the kernel's.

    Source: section 4.1.3; Hoogeboom, van den Berg and Welling 2019, Emerging convolutions
    for generative normalizing flows.

    Args:
        channels: channels of x.
        kernel_size: taps per axis, one number for all or one for each; even ones reach one tap
            further forward.
        dim: spatial axes, 1 to 3.
        norm: c, between 0 and 1.

    Raises:
        ValueError: if a size is not positive, or c lies outside (0, 1).

    Example:
        >>> layer, x = PeriodicConv(2, kernel_size=3, dim=1), torch.randn(1, 2, 8)
        >>> bool(torch.allclose(layer.inverse(layer(x)), x, atol=1e-5))
        True
    """

    @checked
    def __init__(
        self,
        channels: Count,
        *,
        kernel_size: Taps | Sequence[Taps],
        dim: Axes,
        norm: Fraction = 0.9,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.dim = dim
        self.kernel_size = kernel_sizes(kernel_size, dim)
        self.constraint = Spectral(norm=norm)
        taps = channels * math.prod(self.kernel_size)
        affordable("PeriodicConv", "a kernel", channels * taps, "Use fewer channels or taps.")
        # About the largest singular value of a symbol of normals is 2 √(channels · taps).
        scale = 0.5 * norm / (2 * taps**0.5)
        self.weight = nn.Parameter(torch.randn(channels, channels, *self.kernel_size) * scale)

    def operator(self) -> Operator:
        """Return the kernel of B."""
        return (self.constraint(wide(self.weight)),)

    def act(self, operator: Operator, x: Tensor) -> Tensor:
        """Return x + B x."""
        return x + Stencil(operator[0], self._origin(), "circular").apply(x)

    def solve(self, operator: Operator, y: Tensor) -> Tensor:
        """Return the inverse Fourier transform of A(ξ)⁻¹ y(ξ)."""
        if y.numel() == 0:
            return self.act(operator, y)  # there are no Fourier transforms of nothing
        size = tuple(y.shape[2:])
        axes = tuple(range(2, y.ndim))
        waves = torch.fft.rfftn(y, dim=axes)
        points = waves.shape[2:]
        symbol = self._symbol(operator[0], size)
        found = solved(symbol, waves.flatten(2).permute(2, 1, 0))
        found = found.permute(2, 1, 0).reshape(*waves.shape[:2], *points)
        return torch.fft.irfftn(found, s=size, dim=axes)

    def log_modulus(self, operator: Operator, size: Sequence[int]) -> Tensor:
        """Return Σ_ξ log|det A(ξ)|."""
        found = log_abs_det(self._symbol(operator[0], size))
        half = torch.arange(size[-1] // 2 + 1, device=found.device)
        # Frequencies with 0 < ξ < π on the last axis stand for -ξ as well.
        twice = (half > 0) & (2 * half < size[-1])
        return (found.reshape(-1, len(half)) * (1 + twice.to(found.dtype))).sum()

    def claims(self) -> Claims:
        """Return bi-Lipschitz bounds that hold for all parameters and image sizes."""
        c = self.constraint.norm
        reason = f"y = x + B x, and the norm of B is kept at most {c:g} for every image size"
        bounds = BiLipschitz(1 - c, 1 + c)
        return bijective(reason, bounds=bounds, bounds_kind=Kind.CONSTRUCTION)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.channels}, kernel_size={self.kernel_size}, dim={self.dim}"

    def _origin(self) -> tuple[int, ...]:
        return tuple(-((k - 1) // 2) for k in self.kernel_size)

    def _symbol(self, kernel: Tensor, size: Sequence[int]) -> Tensor:
        """Return A(ξ) = 1 + Σ_t B(t) e^{iξ·t} at half of the frequencies: (points, out, in).

        One axis after the other; its phases are reduced modulo 2π as integers.
        """
        symbol = kernel.to(torch.complex64 if kernel.dtype == torch.float32 else torch.complex128)
        for axis, (n, k, o) in enumerate(zip(size, self.kernel_size, self._origin(), strict=True)):
            count = n // 2 + 1 if axis == len(self.kernel_size) - 1 else n
            turns = torch.arange(count)[None, :] * torch.arange(o, o + k)[:, None] % n
            angle = turns.double().to(kernel.device) * (2 * math.pi / n)
            wave = torch.complex(angle.cos(), angle.sin()).to(symbol.dtype)
            # The taps come off the front of the spatial axes, the frequencies join the end.
            symbol = torch.tensordot(symbol, wave, dims=([2], [0]))
        eye = torch.eye(self.channels, dtype=symbol.dtype, device=symbol.device)
        return symbol.flatten(2).permute(2, 0, 1) + eye
