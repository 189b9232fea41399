"""Angular parts of steerable kernels, by solving for them."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.symmetry.groups import Group
from darboux.symmetry.kernels.harmonics import harmonic_matrix, harmonics_at
from darboux.symmetry.representations.intertwiners import intertwiners


def solved_angular(
    group: Group, source: str, target: str, *, frequency: int, points: Tensor
) -> Tensor:
    """Return the kernels ψ₁ -> ψ₂ of one frequency, (count, d₂, d₁, points).

    With harmonics Y(g t) = D(g) Y(t), k(t) = Σ_j A_j Y_j(t) is equivariant if and only if
    A (ψ₁(g) ⊗ D(g)) = ψ₂(g) A for generators g, where A maps pairs (i, j) to ψ₂.

    Source: section 5.1.2, equation (53).

    Args:
        group: any group that acts on the plane or on space.
        source: the name of ψ₁.
        target: the name of ψ₂.
        frequency: of the harmonics, their degree in space.
        points: (points, dim), none of them the origin.

    Example:
        >>> from darboux.symmetry import SO2
        >>> points = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
        >>> solved_angular(SO2(), "0", "1", frequency=1, points=points).shape
        torch.Size([2, 2, 1, 1])
    """
    coefficients = _coefficients(group, source, target, frequency)
    values = harmonics_at(points, frequency)
    return torch.einsum("cabj,jt->cabt", coefficients, values)


def _coefficients(group: Group, source: str, target: str, frequency: int) -> Tensor:
    """Return A, (count, d₂, d₁, harmonics)."""
    generators = group.generators()
    turned = [harmonic_matrix(group.action(g), frequency) for g in generators]
    first = [
        torch.kron(group.irrep(source, g), matrix.contiguous())
        for g, matrix in zip(generators, turned, strict=True)
    ]
    second = [group.irrep(target, g) for g in generators]
    return intertwiners(first, second).unflatten(2, (-1, len(turned[0])))
