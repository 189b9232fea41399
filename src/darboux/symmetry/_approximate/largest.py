"""A number between two bounds."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Bracket(NamedTuple):
    """A number that is known to lie in [lower, upper].

    Args:
        lower: attained at a sample.
        upper: a true bound.

    Example:
        >>> Bracket(1.0, 1.1).upper
        1.1
    """

    lower: float
    upper: float


_ENTRIES = 2**20  # of all matrices that are held at a time

_FIRST = 8  # matrices whose singular values are computed before the others are looked at


def largest_singular_value(points: Tensor, matrices: Tensor, frequencies: Tensor) -> float:
    """Return max_j ‖Σ_s C_s e^{iξ_j·s}‖₂."""
    # Most frequencies are ruled out by ‖D‖₂ <= ‖D‖_F and ‖D‖₂² <= ‖D*D‖_F.
    best = 0.0
    size = matrices[0].numel()
    for part in frequencies.split(max(1, _ENTRIES // max(size, len(points)))):
        best = max(best, _largest(evaluate(points, matrices, part), best))
    return best


def evaluate(points: Tensor, matrices: Tensor, frequencies: Tensor) -> Tensor:
    """Return D(ξ_j) = Σ_s C_s e^{iξ_j·s}, (J, out, in), complex128."""
    angle = frequencies @ points.T
    flat = matrices.flatten(1)
    real, imaginary = angle.cos() @ flat, angle.sin() @ flat
    return torch.complex(real, imaginary).unflatten(1, matrices.shape[1:])


def _largest(values: Tensor, best: float) -> float:
    """Return the largest singular value of all matrices, or less than `best` if none is above."""
    size = values.flatten(1).norm(dim=1)
    if min(values.shape[1:]) == 1:
        return float(size.max())
    values = values[size > best]
    if not len(values):
        return 0.0
    gram = values.mH @ values if values.shape[2] <= values.shape[1] else values @ values.mH
    bound = gram.flatten(1).norm(dim=1)
    order = bound.argsort(descending=True)
    first = float(_top(gram[order[:_FIRST]]).max())
    rest = order[_FIRST:]
    rest = rest[bound[rest] > max(first, best**2)]
    return max(first, float(_top(gram[rest]).max()) if len(rest) else 0.0) ** 0.5


def _top(gram: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(gram)[:, -1].clamp(min=0.0)
