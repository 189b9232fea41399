"""Frequency grids and their tables of cosines and sines, built from integers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# N >= 11 d, 15 d, 18 d in one, two, three dimensions keeps Π 1/cos(πd/N) below 1.048.
_SAMPLES_PER_DEGREE = {1: 11, 2: 15, 3: 18}


def lattice(sizes: Sequence[int]) -> Tensor:
    """Return all points of Π {0, ..., n_a - 1}: int64, (points, axes)."""
    if not sizes:
        return torch.zeros(1, 0, dtype=torch.int64, device="cpu")
    places = [torch.arange(n, device="cpu") for n in sizes]
    return torch.cartesian_prod(*places).reshape(-1, len(sizes))


def half_lattice(sizes: Sequence[int]) -> Tensor:
    """Return one point of every pair {m, -m mod n}: real kernels have A(-ξ) = conj A(ξ)."""
    points, n = lattice(sizes), torch.tensor(list(sizes), dtype=torch.int64, device="cpu")
    strides = [math.prod(sizes[a + 1 :]) for a in range(len(sizes))]
    weights = torch.tensor(strides, dtype=torch.int64, device="cpu")
    rank, mirrored = points @ weights, ((-points) % n) @ weights
    return points[rank <= mirrored]


def kernel_offsets(kernel_size: Sequence[int]) -> Tensor:
    """Return the places of the taps in the order of ``weight.flatten(2)``: (taps, axes)."""
    return lattice(kernel_size)


def phases(points: Tensor, offsets: Tensor, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return cos and sin of ξ·δ, ξ = 2π m/n: float64, (points, offsets)."""
    # The product m·δ is reduced modulo the period as an integer, so every entry is
    # rounded once, whatever the size of the kernel.
    period = math.lcm(*sizes)
    steps = torch.tensor([period // n for n in sizes], dtype=torch.int64, device="cpu")
    turns = (points * steps) @ offsets.T % period
    angle = turns.double() * (2 * math.pi / period)
    return angle.cos(), angle.sin()


def samples_for(kernel_size: Sequence[int]) -> tuple[int, ...]:
    """Return how many frequencies per axis determine the supremum of a symbol within 5 %."""
    # An axis with one tap needs one; else N > 2d points with d = (k-1)/2.
    active = sum(k > 1 for k in kernel_size)
    rate = _SAMPLES_PER_DEGREE[max(active, 1)]
    return tuple(math.ceil(rate * (k - 1) / 2) if k > 1 else 1 for k in kernel_size)


def slack(kernel_size: Sequence[int], samples: Sequence[int]) -> float:
    """Return Π 1/cos(πd/N), by which a supremum may exceed the maximum over the samples."""
    # For fixed u, v the function Re(u* A(ξ) v) is, along one axis and up to a shift, of
    # exponential type d = (k-1)/2 and real. If its supremum M is attained at ξ₀, it is at
    # least M cos(d(ξ-ξ₀)) for |ξ-ξ₀| <= π/d (M. Riesz), and the nearest of N > 2d samples is
    # at most π/N away. Axes follow one after another. Half-integer d is no exception, and
    # truncating a convolution to an image (zero padding) or sampling its symbol (circular
    # padding) only lowers the norm.
    factor = 1.0
    for k, n in zip(kernel_size, samples, strict=True):
        if k > 1:
            factor /= math.cos(math.pi * (k - 1) / 2 / n)
    return factor
