"""Vectors that orthogonal matrices leave."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry._groups import Group
from darboux.symmetry._kernels.harmonics import harmonic_matrix

_NEAR = 1e-11  # eigenvalues of means are 1 to rounding, or further from it


def fixed_vectors(matrices: Tensor) -> Tensor:
    """Return an orthonormal basis of {x : M x = x for all M}, (count, n)."""
    # They are the eigenvectors of the symmetric part of the mean of M for the eigenvalue 1, since
    # xᵀM x <= |x|² with equality only where M x = x.
    mean = matrices.mean(dim=0)
    values, vectors = torch.linalg.eigh((mean + mean.T) / 2)
    return vectors[:, values > 1 - _NEAR * len(mean)].T


def commuting_maps(first: Tensor, second: Tensor) -> Tensor:
    """Return an orthonormal basis of {A : B A = A M for all pairs}, (count, n₂, n₁)."""
    n1, n2 = first.shape[1], second.shape[1]
    # vec(B A Mᵀ) = (B ⊗ M) vec(A), rows of A one after another
    moved = torch.einsum("gij,gkl->gikjl", second, first).reshape(-1, n2 * n1, n2 * n1)
    return fixed_vectors(moved).reshape(-1, n2, n1)


def solved_angular(group: Group, source: str, target: str, *, frequency: int) -> Tensor:
    """Return the kernels ψ₁ -> ψ₂ of one frequency, as coefficients of harmonics."""
    # With harmonics Y(g t) = D(g) Y(t), k(t) = Σ_j A_j Y_j(t) is equivariant if and only if
    # A (ψ₁(g) ⊗ D(g)) = ψ₂(g) A for generators g, where A maps pairs (i, j) to ψ₂.
    first, second = _generating(group, source), _generating(group, target)
    turned = _turned(group, frequency)
    pairs = torch.einsum("gij,gkl->gikjl", first, turned)
    count = first.shape[1] * turned.shape[1]
    maps = commuting_maps(pairs.reshape(-1, count, count), second)
    return maps.unflatten(2, (first.shape[1], turned.shape[1]))


@lru_cache(maxsize=256)
def _generating(group: Group, name: str) -> Tensor:
    return torch.stack([group.irrep(name, g) for g in group.generators()])


@lru_cache(maxsize=256)
def _turned(group: Group, frequency: int) -> Tensor:
    return torch.stack([harmonic_matrix(group.action(g), frequency) for g in group.generators()])
