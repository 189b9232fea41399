"""Diffusion tensors: six coordinates, anisotropy, mean diffusivity, in µm²/ms."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEAST, MOST = 0.1, 4.0  # eigenvalues that fits are clipped to before geometry, µm²/ms
_ROWS, _COLUMNS = (0, 1, 1, 2, 2, 2), (0, 0, 1, 0, 1, 2)
_ROOT = math.sqrt(2.0)
_WEIGHTS = (1.0, _ROOT, 1.0, _ROOT, _ROOT, 1.0)


def six(matrices: Tensor) -> Tensor:
    """Return xx, √2 xy, yy, √2 xz, √2 yz, zz of symmetric matrices, (..., 6): an isometry.

    Example:
        >>> six(torch.ones(3, 3))
        tensor([1.0000, 1.4142, 1.0000, 1.4142, 1.4142, 1.0000])
    """
    return matrices[..., _ROWS, _COLUMNS] * matrices.new_tensor(_WEIGHTS)


def matrices(coordinates: Tensor) -> Tensor:
    """Return the symmetric matrices of six coordinates, (..., 3, 3)."""
    entries = coordinates / coordinates.new_tensor(_WEIGHTS)
    return entries[..., ((0, 1, 3), (1, 2, 4), (3, 4, 5))]


def eigenvalues(tensors: Tensor) -> Tensor:
    """Return the eigenvalues in ascending order, (..., 3)."""
    return torch.linalg.eigvalsh(tensors)


def mean_diffusivity(tensors: Tensor) -> Tensor:
    """Return MD, a third of the trace, (...)."""
    return tensors.diagonal(dim1=-2, dim2=-1).mean(-1)


def fractional_anisotropy(tensors: Tensor) -> Tensor:
    """Return FA = √(3/2) ‖D - MD‖ / ‖D‖, (...): 0 where all directions are alike, 1 for a line.

    Negative eigenvalues can make it exceed 1.

    Source: Basser and Pierpaoli 1996.

    Example:
        >>> fractional_anisotropy(torch.diag(torch.tensor([1.7, 0.3, 0.3])))
        tensor(0.7990)
    """
    whole = torch.linalg.matrix_norm(tensors)
    mean = mean_diffusivity(tensors)
    rest = (whole.square() - 3 * mean.square()).clamp(min=0).sqrt()
    return math.sqrt(1.5) * rest / whole.clamp(min=torch.finfo(tensors.dtype).tiny)


def physical(tensors: Tensor) -> Tensor:
    """Return the tensors with their eigenvalues clipped to what tissue and water may have."""
    values, vectors = torch.linalg.eigh(tensors)
    return (vectors * values.clamp(LEAST, MOST)[..., None, :]) @ vectors.mT
