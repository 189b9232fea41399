"""Intertwiners, and the decomposition of a representation into irreducible ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.structure._arguments import Natural, checked, shown
from darboux.symmetry._groups.group import Group

_GAP = 1e-7  # singular values of commutation constraints are zero, or far above


@checked
def null_space(constraint: Tensor) -> Tensor:
    """Return an orthonormal basis of {x : C x = 0}, (columns, count), by an SVD.

    The constraints of representations have singular values that are zero to rounding or far
    from it; anything between means that they are none of representations.

    Args:
        constraint: C, (rows, columns), float64.

    Raises:
        TypeError: if C is no tensor.
        ValueError: if C is no matrix of real, finite numbers, or a singular value is neither
            zero to rounding nor far from it.

    Example:
        >>> null_space(torch.tensor([[1.0, -1.0]], dtype=torch.float64)).abs().round(decimals=4)
        tensor([[0.7071],
                [0.7071]], dtype=torch.float64)
    """
    real = constraint.is_floating_point() and bool(constraint.isfinite().all())
    if constraint.ndim != 2 or not real:
        msg = f"null_space: expected a matrix of real, finite numbers; got {shown(constraint)}."
        raise ValueError(msg)
    rows, columns = constraint.shape
    if columns == 0 or rows == 0:
        return torch.eye(columns, dtype=torch.float64, device="cpu")
    _, values, vectors = torch.linalg.svd(constraint.double(), full_matrices=True)
    values = torch.cat([values, values.new_zeros(columns - len(values))])
    zero = values < 64 * columns * torch.finfo(torch.float64).eps * max(1.0, float(values[0]))
    unclear = (~zero & (values < _GAP)).nonzero()
    if len(unclear):
        msg = (
            "Expected constraints whose singular values are zero or far from it; got "
            f"{float(values[unclear[0, 0]]):.3g}. The matrices are no representations, or rounded."
        )
        raise ValueError(msg)
    return vectors[zero].T


@checked
def intertwiners(source: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Return an orthonormal basis of {M : ρ₂(g) M = M ρ₁(g)}, (count, n₂, n₁).

    Two matrices for each generator suffice: what commutes with generators commutes with all.

    Args:
        source: ρ₁ of the generators, each (n₁, n₁), float64.
        target: ρ₂ of the generators, each (n₂, n₂).

    Raises:
        TypeError: if something else than sequences of tensors is given.
        ValueError: if there is no generator, or the matrices are no representations.

    Example:
        >>> turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
        >>> intertwiners([turn], [turn]).shape
        torch.Size([2, 2, 2])
    """
    if not source or len(source) != len(target):
        msg = f"Expected as many matrices on both sides; got {len(source)} and {len(target)}."
        raise ValueError(msg)
    for side in (source, target):
        wrong = [m for m in side if m.ndim != 2 or len({*m.shape, *side[0].shape}) != 1]
        if wrong:
            msg = f"Expected square matrices of one size on each side; got {shown(wrong[0])}."
            raise ValueError(msg)
    n1, n2 = len(source[0]), len(target[0])
    left, right = (torch.eye(n, dtype=torch.float64, device="cpu") for n in (n2, n1))
    # vec(B M - M A) = (B ⊗ I - I ⊗ Aᵀ) vec(M), rows of M one after another
    rows = [
        torch.kron(b.contiguous(), right) - torch.kron(left, a.T.contiguous())
        for a, b in zip(source, target, strict=True)
    ]
    return null_space(torch.cat(rows)).T.reshape(-1, n2, n1)


@checked
def decompose(
    group: Group, matrices: Sequence[Tensor], *, degree: Natural | None = None
) -> tuple[tuple[str, ...], Tensor]:
    """Return (content, Q) with ρ(g) = Q (ψ₁(g) ⊕ ... ⊕ ψ_m(g)) Qᵀ and Q orthogonal.

    An intertwiner M from an irreducible ψ has MᵀM = c I by Schur's lemma, so it is an
    isometry up to its size; those into the complement of what was found give the next part.

    Args:
        group: the group.
        matrices: ρ of its generators, each (n, n), float64.
        degree: the largest degree to look for, where there are infinitely many.

    Raises:
        TypeError: if something else than a group and tensors is given.
        ValueError: if there is not one matrix for each generator, or the parts do not fill the
            space, because the degree is too small or the matrices are no orthogonal
            representation.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
        >>> decompose(Cyclic(2), [swap])[0]
        ('0', '1')
    """
    if len(matrices) != len(group.generators()):
        msg = (
            f"Expected a matrix for each of the {len(group.generators())} generators of "
            f"{group.describe()}; got {len(matrices)}."
        )
        raise ValueError(msg)
    n = len(matrices[0])
    content: list[str] = []
    columns = [torch.zeros(n, 0, dtype=torch.float64, device="cpu")]
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
            f"Expected an orthogonal representation of {group.describe()} on {n} dimensions; got "
            f"parts{'' if degree is None else f' of degree <= {degree}'} that fill {found}. "
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
