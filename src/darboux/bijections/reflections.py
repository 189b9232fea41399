"""Products of Householder reflections in compact form."""

from __future__ import annotations

import torch
from torch import Tensor


def reflection_factor(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return U and R with H₁ H₂ ... H_k = 1 - Uᵀ R U, H_i = 1 - 2 v_i v_iᵀ / |v_i|².

    U has the rows v_i / |v_i|, and R is the inverse of the upper triangular matrix with 1/2 on
    the diagonal and the products u_i·u_j above it: the product is orthogonal for every v, in
    one triangular solve. A vector that is zero counts as no reflection, and gets no gradient.

    Shapes: v and the result R U are (..., k, n), U as well.

    Source: Schreiber and Van Loan 1989, A storage-efficient WY representation for products
    of Householder transformations.

    Args:
        vectors: v, in float32 at least.

    Returns:
        U and R U.

    Example:
        >>> u, ru = reflection_factor(torch.tensor([[0.0, 3.0]]))
        >>> torch.eye(2) - u.T @ ru
        tensor([[ 1.,  0.],
                [ 0., -1.]])
    """
    # Of degree zero in v: the scale may count as constant, and saves squares from underflow.
    scale = vectors.detach().abs().amax(dim=-1, keepdim=True)
    scaled = vectors / scale.clamp(min=torch.finfo(vectors.dtype).tiny)
    # Scaled vectors have squares >= 1, but zero.
    unit = scaled * scaled.square().sum(dim=-1, keepdim=True).clamp(min=0.5).rsqrt()
    half = torch.eye(unit.shape[-2], dtype=unit.dtype, device=unit.device) / 2
    factor = half + (unit @ unit.mT).triu(diagonal=1)
    return unit, torch.linalg.solve_triangular(factor, unit, upper=True)


def reflected(vectors: Tensor) -> Tensor:
    """Return H₁ H₂ ... H_k as matrices, (..., n, n); see `reflection_factor`.

    Args:
        vectors: v, (..., k, n), in float32 at least.

    Example:
        >>> reflected(torch.tensor([[2.0, 0.0]]))
        tensor([[-1.,  0.],
                [ 0.,  1.]])
    """
    unit, product = reflection_factor(vectors)
    eye = torch.eye(unit.shape[-1], dtype=unit.dtype, device=unit.device)
    return eye - unit.mT @ product
