"""Harmonics of the circle and of the sphere, and how they turn."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.symmetry.groups.harmonics import spherical_harmonics
from darboux.symmetry.groups.planar import mirror
from darboux.symmetry.groups.so3 import SO3
from darboux.symmetry.kernels.planar import turns_at


def harmonics_at(points: Tensor, frequency: int) -> Tensor:
    """Return harmonics in the directions of points, (harmonics, points).

    cos fφ and sin fφ in the plane (1 where f = 0), the 2f + 1 spherical harmonics of degree f
    in space.

    Args:
        points: (points, dim), none of them the origin.
        frequency: f.

    Example:
        >>> harmonics_at(torch.tensor([[2.0, 0.0]], dtype=torch.float64), 3).tolist()
        [[1.0], [0.0]]
    """
    if points.shape[1] == 2:
        return turns_at(points, frequency)[:, : 2 if frequency else 1, 0].T
    return spherical_harmonics(frequency, points / points.norm(dim=1, keepdim=True)).T


def harmonic_matrix(action: Tensor, frequency: int) -> Tensor:
    """Return D with Y(A t) = D Y(t), for an orthogonal matrix A of the plane or of space.

    Args:
        action: A, (dim, dim).
        frequency: f.

    Example:
        >>> harmonic_matrix(torch.diag(torch.tensor([1.0, -1.0])), 2).tolist()
        [[1.0, 0.0], [0.0, -1.0]]
    """
    reflects = float(torch.linalg.det(action)) < 0
    if not frequency:
        return torch.ones(1, 1, dtype=torch.float64)
    if len(action) == 2:
        rotation = turns_at(action.T[:1], frequency)[0]
        return rotation @ mirror() if reflects else rotation
    matrix = SO3().irrep(str(frequency), -action if reflects else action)
    return -matrix if reflects and frequency % 2 else matrix
