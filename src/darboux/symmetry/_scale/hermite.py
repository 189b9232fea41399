"""Gauss-Hermite functions, sampled at several scales."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def hermite_kernels(degree: int, steps: tuple[float, ...], kernel_size: int, dim: int) -> Tensor:
    """Return ψ_n(t/s_k)/s_k^dim at the taps t, for all n_1 + ... + n_dim <= degree."""
    # ψ_n(x) = Π_a h_{n_a}(x_a) with the orthonormal Hermite functions h_n(x) = H_n(x)
    # e^{-x²/2}/√(2ⁿ n! √π): the same function at all scales, and ∫ ψ_n(t/s)/s^dim dt the same
    # number. Sampling keeps that as far as neither the pixels are too coarse for s nor the kernel
    # too small.
    # Sosnovik, Szmaja and Smeulders 2020, section 4; Press et al. 2007, section 4.6.
    taps = torch.arange(kernel_size, dtype=torch.float64) - (kernel_size - 1) // 2
    at_scales = [
        _product_functions(_functions(degree, taps / step) / step, degree, dim) for step in steps
    ]
    return torch.stack(at_scales, dim=1)


def _functions(degree: int, x: Tensor) -> Tensor:
    """Return h_0, ..., h_degree at points: h_{n+1} = √(2/(n+1)) x h_n - √(n/(n+1)) h_{n-1}."""
    found = [math.pi**-0.25 * torch.exp(-x.square() / 2)]
    before = torch.zeros_like(x)
    for n in range(degree):
        following = (2 / (n + 1)) ** 0.5 * x * found[-1] - (n / (n + 1)) ** 0.5 * before
        before = found[-1]
        found.append(following)
    return torch.stack(found)


def _product_functions(functions: Tensor, degree: int, dim: int) -> Tensor:
    """Return all products of one function per axis with total degree at most `degree`."""
    orders = torch.cartesian_prod(*(torch.arange(degree + 1),) * dim).reshape(-1, dim)
    orders = orders[orders.sum(dim=1) <= degree]
    product = functions[orders[:, 0]]
    for axis in range(1, dim):
        factor = functions[orders[:, axis]].reshape(len(orders), *(1,) * axis, -1)
        product = product.unsqueeze(-1) * factor
    return product
