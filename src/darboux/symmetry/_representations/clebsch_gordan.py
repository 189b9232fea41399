"""The coefficients of Clebsch and Gordan, in real spherical harmonics."""

from __future__ import annotations

from math import comb, sqrt

import torch
from torch import Tensor


def clebsch_gordan(first: int, second: int, total: int) -> Tensor:
    """Return C with (ψ_l₁ ⊗ ψ_l₂) C = C ψ_l and orthonormal columns, (2l₁+1)(2l₂+1) by 2l+1."""
    # Products of complex harmonics Σ ⟨l₁ m₁ l₂ m₂ | l m⟩ Y_l₁m₁ ⊗ Y_l₂m₂ move as Y_lm does; in real
    # harmonics the coefficients are real, or imaginary where l₁ + l₂ + l is odd.
    sides = (_in_real(degree) for degree in (first, second, total))
    a, b, c = (side.conj() if k == 2 else side for k, side in enumerate(sides))
    mixed = torch.einsum("mnk,ma,nb,kc->abc", _complex(first, second, total), a, b, c)
    return (mixed.imag if (first + second + total) % 2 else mixed.real).flatten(0, 1)


def _complex(first: int, second: int, total: int) -> Tensor:
    """Return ⟨l₁ m₁ l₂ m₂ | l m⟩ for all m₁, m₂, m, complex."""
    table = torch.zeros(
        2 * first + 1, 2 * second + 1, 2 * total + 1, dtype=torch.complex128, device="cpu"
    )
    for m in range(-first, first + 1):
        for n in range(max(-second, -total - m), min(second, total - m) + 1):
            table[m + first, n + second, m + n + total] = _coefficient(first, second, total, m, n)
    return table


def _coefficient(first: int, second: int, total: int, m: int, n: int) -> float:
    """Return ⟨l₁ m l₂ n | l m+n⟩, an integer times a root: sums of binomials are exact."""
    # Wei 1999, Unified approach for exact calculation of angular momentum coupling and recoupling
    # coefficients, equation (3).
    x, y, z = second + total - first, first + total - second, first + second - total
    least, most = max(0, first - m - y, second + n - x), min(z, first - m, second + n)
    whole = sum(
        (-1) ** k * comb(z, k) * comb(y, first - m - k) * comb(x, second + n - k)
        for k in range(least, most + 1)
    )
    above = comb(2 * first, z) * comb(2 * second, z)
    below = comb(first + second + total + 1, z) * comb(2 * first, first - m)
    below *= comb(2 * second, second - n) * comb(2 * total, total - m - n)
    return whole * sqrt(above / below)


def _in_real(degree: int) -> Tensor:
    """Return U with complex harmonics = U times real ones, rows and columns from -l to l."""
    # Y_lm = (-1)^m (y_m + i y_-m)/√2 and Y_l,-m = (y_m - i y_-m)/√2 for m > 0
    m = torch.arange(1, degree + 1, device="cpu")
    real, imaginary = torch.zeros(
        2, 2 * degree + 1, 2 * degree + 1, dtype=torch.float64, device="cpu"
    )
    sign = (1 - 2 * (m % 2)).double() / sqrt(2)
    real[degree, degree] = 1
    real[degree + m, degree + m], imaginary[degree + m, degree - m] = sign, sign
    real[degree - m, degree + m], imaginary[degree - m, degree - m] = 1 / sqrt(2), -1 / sqrt(2)
    return torch.complex(real, imaginary)
