"""The Gram matrices G(ξ) = A(ξ) A(ξ)* of a kernel, at samples of half the frequencies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.linear.autocorrelation import autocorrelation, half_offsets
from darboux.linear.frequencies import half_lattice, kernel_offsets, phases

_CHUNK = 2**20  # complex entries per block of Gram matrices: 16 MB


@final
class GramSamples:
    """G(ξ) = Σ_δ R(δ) e^{iξ·δ} with the autocorrelation R of a kernel, ξ = 2π m/n.

    Samples are counted along `half_lattice(samples)`.

    Shapes: the kernel is (out, in, *kernel), float64; G is (samples, out, out), real where
    the kernel has one tap, else complex128.

    Args:
        kernel: W.
        samples: n per axis.
    """

    def __init__(self, kernel: Tensor, samples: Sequence[int]) -> None:
        self.kernel, self.samples = kernel, tuple(samples)
        self.size, self.taps = kernel.shape[0], tuple(kernel.shape[2:])
        products, share = autocorrelation(kernel)
        swapped = products.transpose(0, 1)
        self._even = ((products + swapped) * share).flatten(0, 1).T
        self._odd = ((products - swapped) * share).flatten(0, 1).T
        self._tables = _tables(self.taps, self.samples)
        few = len(self) <= self._per_block()
        self._all = self._evaluate(torch.arange(len(self))) if few else None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._tables[0])

    def at(self, index: Tensor) -> Tensor:
        """Return G at some samples."""
        return self._evaluate(index) if self._all is None else self._all[index]

    def blocks(self, index: Tensor | None = None) -> Iterator[Tensor]:
        """Yield G at some samples, or at all of them, in blocks of bounded memory."""
        if index is None and self._all is not None:
            yield self._all
            return
        index = torch.arange(len(self)) if index is None else index
        for part in index.split(self._per_block()):
            yield self.at(part)

    def size_with_rounding(self) -> float:
        """Return m (Σ_t ‖W(t)‖_F)², m the number of terms in sums: it bounds m ‖A(ξ)‖_F²."""
        taps = self.kernel.reshape(*self.kernel.shape[:2], -1)
        terms = taps.shape[1] * taps.shape[2] + self._even.shape[0]
        return float(taps.norm(dim=(0, 1)).sum()) ** 2 * terms

    def pair(self, index: int, u: Tensor) -> Tensor:
        """Return Re(ū vᵀ e^{iξ·t}) with v = A(ξ)* u / ‖A(ξ)* u‖: the derivative of ‖A(ξ)* u‖.

        Args:
            index: the sample.
            u: (out,), unit.
        """
        point = half_lattice(self.samples)[index]
        cosine, sine = phases(point[None], kernel_offsets(self.taps), self.samples)
        wave = torch.complex(cosine[0], sine[0]).to(self.kernel.device)
        flat = self.kernel.reshape(*self.kernel.shape[:2], -1).to(wave.dtype)
        # Lazy conjugation is silently dropped where a compiled graph calls this: be explicit.
        conjugate = torch.conj_physical(u.to(wave.dtype))
        v = torch.conj_physical(torch.einsum("oit,t,o->i", flat, wave, conjugate))
        pair = torch.einsum("o,i,t->oit", conjugate, v / v.norm(), wave).real
        return pair.reshape(self.kernel.shape).contiguous()

    def _per_block(self) -> int:
        return max(1, _CHUNK // self.size**2)

    def _evaluate(self, index: Tensor) -> Tensor:
        device = self.kernel.device
        cosine, sine = (table[index].to(device) for table in self._tables)
        shape = (len(index), self.size, self.size)
        real = (cosine @ self._even).reshape(shape)
        if cosine.shape[1] == 1:
            return real
        return torch.complex(real, (sine @ self._odd).reshape(shape))


@lru_cache(maxsize=64)
def _tables(taps: tuple[int, ...], samples: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return cosines and sines at all samples and offsets, on the CPU."""
    return phases(half_lattice(samples), half_offsets(taps), samples)
