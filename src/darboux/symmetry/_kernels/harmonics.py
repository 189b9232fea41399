"""Harmonics of the circle and of the sphere, and how they turn."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.symmetry._groups.harmonics import spherical_harmonics
from darboux.symmetry._groups.planar import mirror
from darboux.symmetry._groups.so3 import SO3


def harmonics_at(points: Tensor, frequency: int) -> Tensor:
    """Return harmonics in the directions of points, (harmonics, points)."""
    # cos fφ and sin fφ in the plane (1 where f = 0), the 2f + 1 spherical harmonics of degree f
    # in space.
    directions = points / points.norm(dim=1, keepdim=True)
    if points.shape[1] == 3:
        return spherical_harmonics(frequency, directions).T
    wave = _power(directions, frequency)
    return wave.T if frequency else wave.T[:1]


def harmonic_matrix(action: Tensor, frequency: int) -> Tensor:
    """Return D with Y(A t) = D Y(t), for an orthogonal matrix A of the plane or of space."""
    if not frequency:
        return torch.ones(1, 1, dtype=torch.float64)
    reflects = float(torch.linalg.det(action)) < 0
    if len(action) == 2:
        cosine, sine = _power(action[:, :1].T, frequency)[0].tolist()
        rotation = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
        return rotation @ mirror() if reflects else rotation
    matrix = SO3().irrep(str(frequency), -action if reflects else action)
    return -matrix if reflects and frequency % 2 else matrix


def _power(directions: Tensor, frequency: int) -> Tensor:
    """Return (cos fφ, sin fφ) of (cos φ, sin φ), (count, 2), by products: exact on the axes."""
    x, y = directions.unbind(dim=1)
    cosine, sine = torch.ones_like(x), torch.zeros_like(x)
    for _ in range(frequency):
        cosine, sine = cosine * x - sine * y, cosine * y + sine * x
    return torch.stack([cosine, sine], dim=1)
