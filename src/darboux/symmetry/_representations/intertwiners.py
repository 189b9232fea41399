"""Linear maps that commute with a group: null spaces, to rounding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_GAP = 1e-7  # singular values of commutation constraints are zero, or far above


def null_space(constraint: Tensor) -> Tensor:
    """Return an orthonormal basis of {x : C x = 0}, (columns, count), by an SVD.

    The constraints of representations have singular values that are zero to rounding or far
    from it; anything between means that they are none of representations.

    Args:
        constraint: C, (rows, columns), float64.

    Raises:
        ValueError: if a singular value is neither zero to rounding nor far from it.

    Example:
        >>> null_space(torch.tensor([[1.0, -1.0]], dtype=torch.float64)).abs().round(decimals=4)
        tensor([[0.7071],
                [0.7071]], dtype=torch.float64)
    """
    rows, columns = constraint.shape
    if columns == 0 or rows == 0:
        return torch.eye(columns, dtype=torch.float64)
    _, values, vectors = torch.linalg.svd(constraint, full_matrices=True)
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


def intertwiners(source: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Return an orthonormal basis of {M : ρ₂(g) M = M ρ₁(g)}, (count, n₂, n₁).

    Two matrices for each generator suffice: what commutes with generators commutes with all.

    Args:
        source: ρ₁ of the generators, each (n₁, n₁), float64.
        target: ρ₂ of the generators, each (n₂, n₂).

    Raises:
        ValueError: if there is no generator, or the matrices are no representations.

    Example:
        >>> turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
        >>> intertwiners([turn], [turn]).shape
        torch.Size([2, 2, 2])
    """
    if not source or len(source) != len(target):
        msg = f"Expected as many matrices on both sides; got {len(source)} and {len(target)}."
        raise ValueError(msg)
    n1, n2 = len(source[0]), len(target[0])
    left, right = (torch.eye(n, dtype=torch.float64) for n in (n2, n1))
    # vec(B M - M A) = (B ⊗ I - I ⊗ Aᵀ) vec(M), rows of M one after another
    rows = [
        torch.kron(b.contiguous(), right) - torch.kron(left, a.T.contiguous())
        for a, b in zip(source, target, strict=True)
    ]
    return null_space(torch.cat(rows)).T.reshape(-1, n2, n1)
