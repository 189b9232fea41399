"""What the fields made of two shears share: bounds of an antidiagonal Jacobian, checks."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.linear import LinearMap

Range = tuple[Tensor, Tensor]


def require_one_space(name: str, map_p: LinearMap, map_z: LinearMap) -> None:
    """Refuse two maps of which one cannot act on positions and the other on momenta."""
    found = [(map.in_features, map.dim) for map in (map_p, map_z)]
    if found[0] != found[1]:
        msg = (
            f"{name}: expected maps of equal in_features and dim, since there are as many "
            f"momenta as positions; got in_features {found[0][0]} and {found[1][0]}, dim "
            f"{found[0][1]} and {found[1][1]}. Use two maps of one space; their out_features "
            "are free."
        )
        raise ValueError(msg)


def hessian_range(slopes: tuple[float, float], norm: Tensor) -> Range:
    """Return (l, u) with l <= A*DA <= u for every diagonal D of slopes, ‖A‖ <= norm."""
    # A*DA is semidefinite where the slopes have one sign, whatever the kernel of A.
    square = norm.square()
    return min(slopes[0], 0.0) * square, max(slopes[1], 0.0) * square


def largest(*ranges: Range) -> Tensor:
    """Return max ‖P‖, the norm of [[0, P₁], [-P₂, 0]], from l <= P_i <= u."""
    ends = [torch.maximum(-lower, upper) for lower, upper in ranges]
    return torch.stack(ends).amax()


def one_sided(first: Range, second: Range) -> Tensor:
    """Return ν of [[0, P], [-Q, 0]], P and Q symmetric: its symmetric part is ½ (P - Q)."""
    # ν = ½ ‖P - Q‖ <= ½ max(u_P - l_Q, u_Q - l_P).
    return 0.5 * torch.maximum(first[1] - second[0], second[1] - first[0])
