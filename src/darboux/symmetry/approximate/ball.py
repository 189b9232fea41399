"""Samples of the unit ball in polar coordinates."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def ball_samples(dim: int, n: int) -> Tensor:
    """Return cos ψ · d for n equispaced values of ψ and of every polar angle of d.

    One of every pair ±ξ is kept, and the outermost come first; all lie in the closed ball.

    Args:
        dim: 1, 2 or 3.
        n: samples per full turn, a multiple of four.

    Returns:
        (points, dim), float64.

    Raises:
        ValueError: if dim is none of these.

    Example:
        >>> ball_samples(1, 4).flatten().tolist()
        [1.0, 0.0]
    """
    turn = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    radius = turn[: n // 4 + 1].cos()
    radius[-1] = 0.0
    return (radius[:, None, None] * _directions(dim, turn)).flatten(0, 1)


def _directions(dim: int, turn: Tensor) -> Tensor:
    """Return unit vectors, (count, dim), one of every pair ±d."""
    half = turn[: len(turn) // 2]
    if dim == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if dim == 2:
        return torch.stack([half.cos(), half.sin()], dim=1)
    if dim == 3:
        polar, azimuth = torch.cartesian_prod(turn[: len(turn) // 2 + 1], half).unbind(1)
        sine = polar.sin()
        return torch.stack([sine * azimuth.cos(), sine * azimuth.sin(), polar.cos()], dim=1)
    msg = f"Expected 1, 2 or 3 spatial axes; got {dim}. Use a convolution of images or volumes."
    raise ValueError(msg)
