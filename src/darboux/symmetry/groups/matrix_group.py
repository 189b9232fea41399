"""The abstract group whose elements are orthogonal matrices of space."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.symmetry.groups.group import Group

_ROUNDING = 1e-9


class MatrixGroup(Group):
    """A group of orthogonal matrices; an element is its own action on space, (3, 3), float64.

    Source: section 5.1.
    """

    dim = 3

    def compose(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the product of the matrices."""
        return a @ b

    def inverse(self, a: Tensor) -> Tensor:
        """Return the transpose."""
        return a.T.contiguous()

    def action(self, a: Tensor) -> Tensor:
        """Return the matrix, (3, 3)."""
        return a


def orthogonal(matrix: Tensor, *, what: str) -> Tensor:
    """Return an orthogonal matrix of space in float64, or refuse one that is none.

    Args:
        matrix: (3, 3).
        what: what was expected, for the message.

    Raises:
        ValueError: if it has another shape, or is not orthogonal.

    Example:
        >>> orthogonal(torch.eye(3), what="a rotation").dtype
        torch.float64
    """
    found = torch.as_tensor(matrix, dtype=torch.float64)
    eye = torch.eye(3, dtype=torch.float64)
    if found.shape != (3, 3) or not bool(((found @ found.T - eye).abs() < _ROUNDING).all()):
        msg = f"Expected {what}; got {found.tolist()}."
        raise ValueError(msg)
    return found
