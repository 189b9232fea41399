"""The autocorrelation of a kernel, which is the kernel of A A*."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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
    if weight.ndim == 2:
        return (weight @ weight.T)[..., None], weight.new_full((1,), 0.5)
    first = weight.shape[2]
    outer, rest = weight.shape[0], tuple(weight.shape[3:])
    # (out, *rest, in, first): products over the last two axes keep `rest` apart.
    left = weight.movedim((1, 2), (-2, -1))
    right = left.flip(tuple(range(1, 1 + len(rest)))) if rest else left
    blocks = []
    for d in range(first):
        a = left[..., d:].reshape(outer * _size(rest), -1)
        b = right[..., : first - d].reshape(outer * _size(rest), -1)
        blocks.append(_antidiagonals((a @ b.T).reshape(outer, *rest, outer, *rest), len(rest)))
    share = weight.new_full((first, blocks[0].shape[-1]), 1.0)
    share = torch.cat([share[:1] * 0.5, share[1:]])
    return torch.cat(blocks, dim=-1), share.flatten()


def half_offsets(kernel: tuple[int, ...]) -> Tensor:
    """Return the offsets δ of `autocorrelation`: int64, (offsets, axes)."""
    if not kernel:
        return torch.zeros(1, 0, dtype=torch.int64)
    ranges = [torch.arange(kernel[0]), *(torch.arange(1 - k, k) for k in kernel[1:])]
    return torch.cartesian_prod(*ranges).reshape(-1, len(kernel))


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _antidiagonals(product: Tensor, axes: int) -> Tensor:
    """Sum (out, *a, out, *b) over a + b = const, axis by axis: (out, out, flattened)."""
    if axes == 0:
        return product[..., None]
    order = [0, axes + 1]
    for axis in range(1, axes + 1):
        order += [axes + 1 + axis, axis]  # pairs (b, a), the last axis last
    pairs = product.permute(order)
    for _ in range(axes):
        # The last pair collapses to one axis, which goes to the front: (δ, pairs left).
        pairs = _collapse(pairs).movedim(-1, 2)
    return pairs.flatten(2)


def _collapse(pairs: Tensor) -> Tensor:
    """Sum (..., k, k) over the antidiagonals: (..., 2k-1).

    Rows padded to length 2k and read again with length 2k-1 are shifted by one each,
    which turns antidiagonals into columns.
    """
    k = pairs.shape[-1]
    flat = F.pad(pairs, (0, k)).flatten(-2)[..., : k * (2 * k - 1)]
    return flat.unflatten(-1, (k, 2 * k - 1)).sum(-2)
