"""The autocorrelation of a kernel, which is the kernel of A A*."""

from __future__ import annotations

import torch
from torch import Tensor


def autocorrelation(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return R(δ) = Σ_t W(t+δ) W(t)ᵀ for half of all δ, and the weight c of each.

    R(-δ) = R(δ)ᵀ, so offsets with δ₁ >= 0 are enough: sums over all δ are sums of
    c (R + Rᵀ) terms, with c = 1 for δ₁ > 0 and c = ½ for δ₁ = 0, where both signs occur.

    Shapes: the weight is (out, in, *kernel); R is (out, out, offsets), in the order of
    `half_offsets`; c is (offsets,).

    Example:
        >>> import torch
        >>> r, c = autocorrelation(torch.tensor([[[1.0, 2.0]]]))
        >>> r, c
        (tensor([[[5., 2.]]]), tensor([0.5000, 1.0000]))
    """
    kernel = layered(weight)
    products = correlations(kernel, kernel)
    count = len(products[0])
    share = weight.new_full((len(products) * count,), 1.0)
    share = torch.cat([share[:count] * 0.5, share[count:]])
    return torch.cat(products).permute(1, 2, 0), share


def half_offsets(kernel: tuple[int, ...]) -> Tensor:
    """Return the offsets δ of `autocorrelation`: int64, (offsets, axes)."""
    if not kernel:
        return torch.zeros(1, 0, dtype=torch.int64)
    ranges = [torch.arange(kernel[0]), *(torch.arange(1 - k, k) for k in kernel[1:])]
    return torch.cartesian_prod(*ranges).reshape(-1, len(kernel))


def layered(weight: Tensor) -> Tensor:
    """Return a kernel (out, in, k₁, *rest) as (*rest, out, k₁, in), contiguous.

    Its parts t₁ >= d and t₁ < k₁ - d are strided matrices: products need no copies.

    Args:
        weight: the kernel.
    """
    if weight.ndim == 2:
        return weight[:, None]
    return weight.permute(*range(3, weight.ndim), 0, 2, 1).contiguous()


def correlations(left: Tensor, right: Tensor) -> list[Tensor]:
    """Return Σ_t V(t+δ) W(t)ᵀ for half of all δ, one tensor for every δ₁ = 0, 1, ....

    No temporary is much larger than the kernel: fresh pages cost more than products.

    Shapes: the kernels are as `layered` makes them; each tensor is (offsets, out, out).

    Args:
        left: V.
        right: W.
    """
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
