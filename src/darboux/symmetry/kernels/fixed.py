"""Vectors that orthogonal matrices leave."""

from __future__ import annotations

import torch
from torch import Tensor

_NEAR = 1e-11  # eigenvalues of means are 1 to rounding, or further from it


def fixed_vectors(matrices: Tensor) -> Tensor:
    """Return an orthonormal basis of {x : M x = x for all M}, (count, n).

    They are the eigenvectors of the symmetric part of the mean of M for the eigenvalue 1, since
    xᵀM x <= |x|² with equality only where M x = x.

    Args:
        matrices: orthogonal M, (matrices, n, n), at least one, float64.

    Example:
        >>> swap = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], dtype=torch.float64)
        >>> fixed_vectors(swap).abs().round(decimals=4)
        tensor([[0.7071, 0.7071]], dtype=torch.float64)
    """
    mean = matrices.mean(dim=0)
    values, vectors = torch.linalg.eigh((mean + mean.T) / 2)
    return vectors[:, values > 1 - _NEAR * len(mean)].T


def commuting_maps(first: Tensor, second: Tensor) -> Tensor:
    """Return an orthonormal basis of {A : B A = A M for all pairs}, (count, n₂, n₁).

    Args:
        first: orthogonal M, (pairs, n₁, n₁).
        second: orthogonal B, (pairs, n₂, n₂).

    Example:
        >>> turn = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
        >>> commuting_maps(turn, turn).shape
        torch.Size([2, 2, 2])
    """
    n1, n2 = first.shape[1], second.shape[1]
    # vec(B A Mᵀ) = (B ⊗ M) vec(A), rows of A one after another
    moved = torch.einsum("gij,gkl->gikjl", second, first).reshape(-1, n2 * n1, n2 * n1)
    return fixed_vectors(moved).reshape(-1, n2, n1)
