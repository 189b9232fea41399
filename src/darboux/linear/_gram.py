"""The Gram matrices G(ξ) = A(ξ) A(ξ)* of a kernel, at samples of half the frequencies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.linear._frequencies import half_lattice, kernel_offsets, phases

# Complex entries per block. Blocks stay in the cache; those in double precision are smaller,
# for a factorisation copies them, and fresh pages cost more than the overhead of a block.
_BLOCKS = {torch.float32: 2**17, torch.float64: 2**15}

_TABLE = 2**17  # entries of a table of cosines that is kept: 1 MB


@final
class GramSamples:
    """G(ξ) = Σ_δ R(δ) e^{iξ·δ} with the autocorrelation R of a kernel, ξ = 2π m/n."""

    # Samples are counted along `half_lattice(samples)`. Matrices are made when asked for,
    # block by block: all of them would fill gigabytes for large kernels in three dimensions.

    def __init__(self, kernel: Tensor, samples: Sequence[int]) -> None:
        self.kernel, self.samples = kernel, tuple(samples)
        self.size, self.taps = kernel.shape[0], tuple(kernel.shape[2:])
        self._points = half_lattice(self.samples)
        products, share = autocorrelation(kernel)
        products = (products * share).permute(2, 0, 1)
        self._even = (products + products.mT).flatten(1)
        self._odd = (products - products.mT).flatten(1)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._points)

    def blocks(self, index: Tensor, dtype: torch.dtype = torch.float64) -> Iterator[Tensor]:
        """Yield G at some samples, in blocks of bounded memory."""
        even, odd = self._even.to(dtype), self._odd.to(dtype)
        for part in index.split(max(1, _BLOCKS[dtype] // self.size**2)):
            cosine, sine = self._phases(part, dtype)
            shape = (len(part), self.size, self.size)
            real = (cosine @ even).reshape(shape)
            yield real if len(even) == 1 else torch.complex(real, (sine @ odd).reshape(shape))

    def all(self) -> Tensor:
        """Return the index of all samples."""
        return torch.arange(len(self))

    def trace(self) -> float:
        """Return the mean of trace G over all frequencies, ‖W‖²."""
        return float(self.kernel.square().sum())

    def rounding_size(self) -> float:
        """Return m (Σ_t ‖W(t)‖_F)², m the number of terms in sums: it bounds m ‖A(ξ)‖_F²."""
        taps = self.kernel.reshape(*self.kernel.shape[:2], -1)
        terms = taps.shape[1] * taps.shape[2] + len(self._even)
        return float(taps.square().sum(dim=(0, 1)).sqrt().sum()) ** 2 * terms

    def waves(self, sample: int) -> tuple[Tensor, Tensor]:
        """Return cos and sin of ξ·t at one sample for the taps t: (taps,) each."""
        point = self._points[sample, None]
        cosine, sine = phases(point, kernel_offsets(self.taps), self.samples)
        return cosine[0].to(self.kernel.device), sine[0].to(self.kernel.device)

    def _phases(self, part: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return cosines and sines at some samples and all offsets."""
        if len(self) * len(self._even) <= _TABLE:
            cosine, sine = (table[part] for table in _tables(self.taps, self.samples, dtype))
        else:
            points = self._points[part]
            cosine, sine = phases(points, half_offsets(self.taps), self.samples)
        return cosine.to(self._even.device, dtype), sine.to(self._even.device, dtype)


@lru_cache(maxsize=32)
def _tables(
    taps: tuple[int, ...], samples: tuple[int, ...], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return cosines and sines at all samples and offsets, on the CPU."""
    cosine, sine = phases(half_lattice(samples), half_offsets(taps), samples)
    return cosine.to(dtype), sine.to(dtype)


def autocorrelation(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return R(δ) = Σ_t W(t+δ) W(t)ᵀ for half of all δ, and the weight c of each."""
    # R(-δ) = R(δ)ᵀ, so offsets with δ₁ >= 0 are enough: sums over all δ are sums of
    # c (R + Rᵀ) terms, with c = 1 for δ₁ > 0 and c = ½ for δ₁ = 0, where both signs occur.
    kernel = layered(weight)
    products = correlations(kernel, kernel)
    count = len(products[0])
    share = weight.new_full((len(products) * count,), 1.0)
    share = torch.cat([share[:count] * 0.5, share[count:]])
    return torch.cat(products).permute(1, 2, 0), share


def half_offsets(kernel_size: tuple[int, ...]) -> Tensor:
    """Return the offsets δ of `autocorrelation`: int64, (offsets, axes)."""
    if not kernel_size:
        return torch.zeros(1, 0, dtype=torch.int64)
    ranges = [torch.arange(kernel_size[0]), *(torch.arange(1 - k, k) for k in kernel_size[1:])]
    return torch.cartesian_prod(*ranges).reshape(-1, len(kernel_size))


def layered(weight: Tensor) -> Tensor:
    """Return a kernel (out, in, k₁, *rest) as (*rest, out, k₁, in), contiguous."""
    # Its parts t₁ >= d and t₁ < k₁ - d are strided matrices: products need no copies.
    if weight.ndim == 2:
        return weight[:, None]
    return weight.permute(*range(3, weight.ndim), 0, 2, 1).contiguous()


def correlations(left: Tensor, right: Tensor) -> list[Tensor]:
    """Return Σ_t V(t+δ) W(t)ᵀ for half of all δ, one tensor for every δ₁ = 0, 1, ...."""
    # No temporary is much larger than the kernel: fresh pages cost more than products.
    *rest, outer, first, inner = left.shape
    rows, axes = left.numel() // (first * inner), len(rest)
    found = []
    for d in range(first):
        a = left[..., d:, :].reshape(rows, -1)
        b = right[..., : first - d, :].reshape(rows, -1)
        product = (a @ b.T).reshape(*rest, outer, *rest, outer)
        for axis in reversed(range(axes)):
            product = _antidiagonals(product, axes - 1, axes + 1 + axis)
        found.append(product.reshape(-1, outer, outer))
    return found


def _antidiagonals(product: Tensor, a: int, b: int) -> Tensor:
    """Sum over two axes of length k where their places differ by δ = 1-k, ..., k-1: (δ, ...)."""
    k = product.shape[a]
    return torch.stack([product.diagonal(-d, a, b).sum(-1) for d in range(1 - k, k)])
