"""The Gram matrices G(ξ) = A(ξ) A(ξ)* of a kernel, at samples of half the frequencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.linear._frequencies import half_lattice, kernel_offsets, lattice, phases

# Columns of the matrices made at a time: they stay in the cache, and fresh pages cost more than
# the overhead of a part.
_COLUMNS = {torch.float32: 2**11, torch.float64: 2**10}

_TABLE = 2**17  # entries of a table of cosines that is kept: 1 MB


@final
class GramSamples:
    """G(ξ) = Σ_δ R(δ) e^{iξ·δ} with the autocorrelation R of a kernel, ξ = 2π m/n."""

    # Samples are counted along the points m, `half_lattice(samples)` if none are given. Matrices
    # are made when asked for, part by part: all of them would fill gigabytes for large kernels in
    # three dimensions. Where there are fewer samples than R takes products, G is A(ξ) A(ξ)*.

    def __init__(
        self, kernel: Tensor, samples: Sequence[int], points: Tensor | None = None
    ) -> None:
        self.kernel, self.samples = kernel, tuple(samples)
        self.size, self.inner, *self.taps = kernel.shape
        self._points, self._table = _whole(tuple(self.taps), self.samples)
        if points is not None:
            self._points, self._table = points, None
        self._spaces: dict[torch.dtype, tuple[Tensor, Tensor]] = {}
        self.factored = 8 * len(self) < math.prod(self.taps) ** 2
        if self.factored:
            self._taps_first = kernel.permute(*range(2, kernel.ndim), 0, 1).contiguous()
        else:
            kernel = layered(kernel)
            products = torch.cat(correlations(kernel, kernel))
            self._even = (products + products.mT).flatten(1)
            if len(products) > 1:
                self._odd = (products - products.mT).flatten(1)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._points)

    def parts(self, index: Tensor, dtype: torch.dtype = torch.float64) -> list[Tensor]:
        """Return an index in parts of bounded memory."""
        count = math.ceil(len(index) * self.size / _COLUMNS[dtype])
        if self.factored and count:  # neighbours share sums
            return list(index.tensor_split(math.ceil(count / 4)))
        return [index[k::count] for k in range(count)]  # each is spread over the whole

    def at(self, index: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return G at some samples: (samples, out, out), until the next call.

        Sums over taps are in double precision.
        """
        if self.factored:
            symbol = _sums(self._taps_first, self._points[index], self.samples)
            symbol = symbol.to(dtype.to_complex())
            # Not .mH: lazy conjugation is silently dropped where a compiled graph calls this.
            return symbol @ torch.conj_physical(symbol).mT
        cosine, sine = self._phases(index)
        if len(self._even) == 1:
            return (cosine @ self._even).to(dtype).reshape(-1, self.size, self.size)
        sums, gram = self._space(len(index), dtype)
        entries = torch.view_as_real(gram).flatten(1, 2)
        entries[..., 0] = torch.mm(cosine, self._even, out=sums)
        entries[..., 1] = torch.mm(sine, self._odd, out=sums)
        return gram

    def all(self) -> Tensor:
        """Return the index of all samples."""
        return torch.arange(len(self), device="cpu")

    def rounding_size(self) -> float:
        """Return m (Σ_t ‖W(t)‖_F)², m the number of terms in sums: it bounds m ‖A(ξ)‖_F²."""
        taps = self.kernel.flatten(2) if self.taps else self.kernel[..., None]
        terms = self.inner * taps.shape[2] + math.prod(2 * k - 1 for k in self.taps)
        return float(taps.square().sum(dim=(0, 1)).sqrt().sum()) ** 2 * terms

    def waves(self, sample: int) -> tuple[Tensor, Tensor]:
        """Return cos and sin of ξ·t at one sample for the taps t: (taps,) each."""
        point = self._points[sample, None]
        cosine, sine = phases(point, kernel_offsets(self.taps), self.samples)
        return cosine[0].to(self.kernel.device), sine[0].to(self.kernel.device)

    def _space(self, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return memory for sums and matrices: fresh pages cost more than what fills them."""
        if dtype not in self._spaces or len(self._spaces[dtype][0]) < count:
            sums = self._even.new_empty(count, self.size**2)
            shape = (count, self.size, self.size)
            self._spaces[dtype] = (sums, self._even.new_empty(shape, dtype=dtype.to_complex()))
        sums, matrices = self._spaces[dtype]
        return sums[:count], matrices[:count]

    def _phases(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines at some samples and half of the offsets, c times each."""
        if self._table is None:
            found = _half_phases(self._points[index], self.taps, self.samples)
        else:
            found = (self._table[0][index], self._table[1][index])
        return found[0].to(self.kernel.device), found[1].to(self.kernel.device)


def _sums(terms: Tensor, points: Tensor, samples: Sequence[int]) -> Tensor:
    """Return Σ_t C(t) e^{iξ·t} at different points in order: (points, rows, columns)."""
    # Axis after axis: neighbours with the same first coordinate share the sums over that axis.
    heads, counts = points[:, 0].unique_consecutive(return_counts=True)
    cosine, sine = phases(heads[:, None], lattice([len(terms)]), samples[:1])
    cosine, sine = cosine.to(terms.device), sine.to(terms.device)
    flat = terms.reshape(len(terms), -1)
    if terms.is_complex():
        sums = torch.complex(cosine, sine) @ flat
    else:
        sums = torch.complex(cosine @ flat, sine @ flat)
    sums = sums.reshape(-1, *terms.shape[1:])
    if len(samples) == 1:
        return sums
    rests = zip(sums, points[:, 1:].split(counts.tolist()), strict=True)
    return torch.cat([_sums(part, rest, samples[1:]) for part, rest in rests])


@lru_cache(maxsize=32)
def _whole(
    taps: tuple[int, ...], samples: tuple[int, ...]
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """Return half of all frequencies, and the phases there unless they are many, on the CPU."""
    points = half_lattice(samples)
    few = len(points) * len(half_offsets(taps)) <= _TABLE
    return points, _half_phases(points, taps, samples) if few else None


def _half_phases(
    points: Tensor, taps: Sequence[int], samples: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return c cos ξ·δ and c sin ξ·δ for half of all offsets δ: (points, offsets)."""
    # R(-δ) = R(δ)ᵀ, so offsets with δ₁ >= 0 are enough: sums over all δ are sums of
    # c (R + Rᵀ) terms, with c = 1 for δ₁ > 0 and c = ½ for δ₁ = 0, where both signs occur.
    offsets = half_offsets(taps)
    share = 1 - 0.5 * (offsets[:, :1] == 0).all(1).double()
    cosine, sine = phases(points, offsets, samples)
    return cosine * share, sine * share


def half_offsets(kernel_size: Sequence[int]) -> Tensor:
    """Return the offsets δ of all `correlations` of a kernel: int64, (offsets, axes)."""
    if not kernel_size:
        return torch.zeros(1, 0, dtype=torch.int64, device="cpu")
    first, *rest = kernel_size
    ranges = [(0, first), *((1 - k, k) for k in rest)]
    places = [torch.arange(*each, device="cpu") for each in ranges]
    return torch.cartesian_prod(*places).reshape(-1, len(kernel_size))


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
