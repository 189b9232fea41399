"""Bi-Lipschitz bounds of a matrix, from its singular values."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.structure import BiLipschitz


def matrix_bounds(matrix: Tensor) -> tuple[BiLipschitz | None, str | None]:
    """Return bounds σ_min(W), σ_max(W) with room for rounding, or why there are none.

    Args:
        matrix: W, square, in float64.

    Returns:
        The bounds and None, or None and the reason.

    Example:
        >>> matrix_bounds(2 * torch.eye(2, dtype=torch.float64))[0].describe()
        'bi-Lipschitz: 2 ‖x - y‖ <= ‖φ(x) - φ(y)‖ <= 2 ‖x - y‖'
    """
    if not bool(matrix.isfinite().all()):
        return None, "the weights are not finite"
    values = torch.linalg.svdvals(matrix)
    # Backward stable: every singular value is off by a small multiple of the largest one.
    margin = 8 * len(matrix) * torch.finfo(torch.float64).eps * float(values[0])
    low, high = max(0.0, float(values[-1]) - margin), float(values[0]) + margin
    if low == 0:
        why = f"the smallest singular value, {float(values[-1]):.3g}, is lost in rounding"
        return BiLipschitz(0.0, high), why
    return BiLipschitz(low, high), None
