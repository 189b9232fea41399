"""Decomposition of a representation into irreducible ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.symmetry._groups import Group
from darboux.symmetry._representations.intertwiners import intertwiners


def decompose(
    group: Group, matrices: Sequence[Tensor], *, degree: int | None = None
) -> tuple[tuple[str, ...], Tensor]:
    """Return (content, Q) with ρ(g) = Q (ψ₁(g) ⊕ ... ⊕ ψ_m(g)) Qᵀ and Q orthogonal.

    An intertwiner M from an irreducible ψ has MᵀM = c I by Schur's lemma, so it is an
    isometry up to its size; those into the complement of what was found give the next part.

    Args:
        group: the group.
        matrices: ρ of its generators, each (n, n), float64.
        degree: the largest degree to look for, where there are infinitely many.

    Raises:
        ValueError: if the parts do not fill the space, because the degree is too small or the
            matrices are no orthogonal representation.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
        >>> decompose(Cyclic(2), [swap])[0]
        ('0', '1')
    """
    n = len(matrices[0])
    content: list[str] = []
    columns = [torch.zeros(n, 0, dtype=torch.float64)]
    found = 0
    for name in group.irreps(degree):
        if found == n:
            break
        parts = _embeddings(group, name, matrices)
        content += [name] * len(parts)
        columns += parts
        found += sum(part.shape[1] for part in parts)
    basis = torch.cat(columns, dim=1)
    if found != n:
        msg = (
            f"Expected an orthogonal representation of {group.describe()} on {n} dimensions; its "
            f"irreducible parts{'' if degree is None else f' of degree <= {degree}'} fill {found}. "
            "Check that ρ(a)ρ(b) = ρ(ab) for all products, or raise the degree."
        )
        raise ValueError(msg)
    return tuple(content), basis


def _embeddings(group: Group, name: str, matrices: Sequence[Tensor]) -> list[Tensor]:
    """Return isometric intertwiners from ψ with orthogonal images, as many as ρ contains."""
    irrep = [group.irrep(name, g) for g in group.generators()]
    candidates = intertwiners(irrep, matrices)
    found: list[Tensor] = []
    while len(candidates):
        first = candidates[0]
        isometry = first / first.square().sum().div(first.shape[1]).sqrt()
        found.append(isometry)
        # what is left of the others beyond the image of the first
        rest = candidates[1:] - isometry @ (isometry.T @ candidates[1:])
        candidates = _orthonormal(rest)
    return found


def _orthonormal(candidates: Tensor) -> Tensor:
    """Return an orthonormal basis of the span of matrices, in the order of size."""
    if not len(candidates):
        return candidates
    _, values, vectors = torch.linalg.svd(candidates.flatten(1), full_matrices=False)
    return vectors[values > 1e-8].reshape(-1, *candidates.shape[1:])
