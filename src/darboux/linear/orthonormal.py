"""Matrices with orthonormal columns, from unconstrained ones."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Retraction = Literal["exp", "cayley"]


def orthonormal_columns(raw: Tensor, columns: int, map: Retraction = "exp") -> Tensor:
    """Return the first columns of exp(S) or of (1 - S/2)⁻¹(1 + S/2), S = X - Xᵀ skew.

    Both are orthogonal for every X, up to rounding; computed in float32 at least.

    Shapes: X is (n, n), the result (n, columns).

    Args:
        raw: X.
        columns: how many, at most n.
        map: "exp" or "cayley".

    Example:
        >>> import torch
        >>> q = orthonormal_columns(torch.randn(4, 4, dtype=torch.float64), 2)
        >>> bool(torch.allclose(q.T @ q, torch.eye(2, dtype=torch.float64)))
        True
    """
    with torch.autocast(raw.device.type, enabled=False):
        wide = raw if raw.dtype in (torch.float32, torch.float64) else raw.float()
        skew = wide - wide.mT
        if map == "exp":
            return torch.linalg.matrix_exp(skew)[:, :columns].to(raw.dtype)
        eye = torch.eye(len(skew), dtype=skew.dtype, device=skew.device)
        return torch.linalg.solve(eye - skew / 2, (eye + skew / 2)[:, :columns]).to(raw.dtype)
