"""Numbers that stay above a floor, as diagonals of triangular matrices."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def check_floor(name: str, floor: float) -> float:
    """Return a floor between 0 and 1, or refuse.

    Args:
        name: who asks.
        floor: the smallest modulus of a diagonal entry.

    Raises:
        ValueError: if it lies outside (0, 1).

    Example:
        >>> check_floor("LULinear", 1e-3)
        0.001
    """
    if not 0 < floor < 1:
        msg = f"{name}: expected 0 < floor < 1; got {floor!r}. Use 1e-3."
        raise ValueError(msg)
    return float(floor)


def above(raw: Tensor, floor: float) -> Tensor:
    """Return floor + log(1 + e^r) >= floor for every r.

    Args:
        raw: r.
        floor: what the result stays above.

    Example:
        >>> above(torch.tensor([-1e9]), 0.5)
        tensor([0.5000])
    """
    return floor + F.softplus(raw)


def raw_of(value: Tensor, floor: float) -> Tensor:
    """Return r with ``above(r, floor)`` equal to a value > floor.

    Args:
        value: what is to come out.
        floor: what it lies above.

    Example:
        >>> above(raw_of(torch.tensor([2.0]), 0.5), 0.5)
        tensor([2.])
    """
    rest = value - floor
    return rest + torch.log(-torch.expm1(-rest))


def raw_of_one(floor: float) -> float:
    """Return r with ``above(r, floor)`` equal to 1.

    Args:
        floor: below 1.

    Example:
        >>> above(torch.tensor([raw_of_one(0.5)]), 0.5)
        tensor([1.])
    """
    return math.log(math.expm1(1 - floor))


def on_diagonal(matrix: Tensor) -> Tensor:
    """Return where the diagonal of a square matrix is: bool, of its shape.

    Args:
        matrix: of any dtype.

    Example:
        >>> on_diagonal(torch.ones(2, 2)).tolist()
        [[True, False], [False, True]]
    """
    place = torch.arange(len(matrix), device=matrix.device)
    return place == place[:, None]


def log_diagonal(matrix: Tensor) -> Tensor:
    """Return Σ_i log|m_ii|: log|det| of a triangular matrix.

    Args:
        matrix: square, without zeros on the diagonal.

    Example:
        >>> log_diagonal(torch.tensor([[1.0, 5.0], [0.0, -1.0]]))
        tensor(0.)
    """
    return torch.where(on_diagonal(matrix), matrix.abs(), 1).log().sum()
