"""Angular parts of steerable kernels, by solving for them."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry.groups import Group
from darboux.symmetry.kernels.fixed import commuting_maps
from darboux.symmetry.kernels.harmonics import harmonic_matrix


def solved_angular(group: Group, source: str, target: str, *, frequency: int) -> Tensor:
    """Return the kernels ψ₁ -> ψ₂ of one frequency, as coefficients of harmonics.

    With harmonics Y(g t) = D(g) Y(t), k(t) = Σ_j A_j Y_j(t) is equivariant if and only if
    A (ψ₁(g) ⊗ D(g)) = ψ₂(g) A for generators g, where A maps pairs (i, j) to ψ₂.

    Shapes: (count, d₂, d₁, harmonics).

    Source: section 5.1.2.

    Args:
        group: any group that acts on the plane or on space.
        source: the name of ψ₁.
        target: the name of ψ₂.
        frequency: of the harmonics, their degree in space.

    Example:
        >>> from darboux.symmetry import SO2
        >>> solved_angular(SO2(), "0", "1", frequency=1).shape
        torch.Size([2, 2, 1, 2])
    """
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
