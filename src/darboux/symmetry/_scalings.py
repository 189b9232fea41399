"""Scalings of the plane, and Gauss-Hermite kernels at several scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, final

import torch
from torch import Tensor

from darboux.structure._arguments import Within, checked

_Factor = Annotated[float, Within("a number above 1, up to 1024", above=1, most=1024)]

_Scales = Annotated[int, Within("a number of scales from 1 to 64", least=1, most=64)]


@final
@checked
@dataclass(frozen=True)
class Scalings:
    """The dilations f -> f(·/s), s = factor^j, seen at `count` scales s_0 < s_0 factor < ...

    The group is infinite and not compact, so only a window of scales can be stored: a dilation
    by the factor moves what was at scale k to scale k + 1, what was at the last one is lost, and
    nothing is known about the first one.

    Source: slides, symmetry; Sosnovik, Szmaja and Smeulders 2020, Scale-equivariant steerable
    networks.

    Args:
        factor: the ratio of neighbouring scales, above 1, up to 1024.
        count: how many scales, 1 to 64.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if a number is out of range.

    Example:
        >>> Scalings(2.0, 3).steps(0.5)
        (0.5, 1.0, 2.0)
    """

    factor: _Factor = 2**0.5
    count: _Scales = 4

    def steps(self, smallest: float) -> tuple[float, ...]:
        """Return s_0, s_0 factor, ..., beginning with the smallest."""
        return tuple(smallest * self.factor**k for k in range(self.count))

    def split(self, x: Tensor) -> Tensor:
        """Return (batch, fields·scales, *space) as (batch, fields, scales, *space).

        Raises:
            ValueError: if the channels are no multiple of the number of scales.
        """
        if x.ndim < 2 or x.shape[1] % self.count:
            msg = (
                f"Expected channels on axis 1 that are a multiple of {self.count} scales; got "
                f"shape {tuple(x.shape)}. Use what a ScaleConv with the same scales returned."
            )
            raise ValueError(msg)
        return x.unflatten(1, (-1, self.count))

    def describe(self) -> str:
        """Return the name of the group, for tables."""
        return f"scalings by {self.factor:.4g} at {self.count} scales"


@lru_cache(maxsize=256)
def hermite_kernels(degree: int, steps: tuple[float, ...], kernel_size: int, dim: int) -> Tensor:
    """Return ψ_n(t/s_k)/s_k^dim at the taps t, for all n_1 + ... + n_dim <= degree."""
    # ψ_n(x) = Π_a h_{n_a}(x_a) with the orthonormal Hermite functions h_n(x) = H_n(x)
    # e^{-x²/2}/√(2ⁿ n! √π): the same function at all scales, and ∫ ψ_n(t/s)/s^dim dt the same
    # number. Sampling keeps that as far as neither the pixels are too coarse for s nor the kernel
    # too small.
    # Sosnovik, Szmaja and Smeulders 2020, section 4; Press et al. 2007, section 4.6.
    taps = torch.arange(kernel_size, dtype=torch.float64, device="cpu") - (kernel_size - 1) // 2
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
    orders = torch.cartesian_prod(*(torch.arange(degree + 1, device="cpu"),) * dim).reshape(-1, dim)
    orders = orders[orders.sum(dim=1) <= degree]
    product = functions[orders[:, 0]]
    for axis in range(1, dim):
        factor = functions[orders[:, axis]].reshape(len(orders), *(1,) * axis, -1)
        product = product.unsqueeze(-1) * factor
    return product
