"""States of a network as arguments: tracks (K+1, batch, *features), and clouds of points."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.structure._module import check_features


def track_of(name: str, trajectory: Tensor) -> Tensor:
    """Return the states z_0, ..., z_K in double precision, (K+1, batch, features)."""
    check_features(name, trajectory)
    if trajectory.ndim < 3 or len(trajectory) < 2:
        msg = (
            f"{name}: expected states (K+1, batch, *features) with K >= 1; got shape "
            f"{tuple(trajectory.shape)}. Use torch.stack on the features of the layers, the input "
            "first."
        )
        raise ValueError(msg)
    return trajectory.double().flatten(2)


def points_of(name: str, points: Tensor, *, least: int = 1) -> Tensor:
    """Return points in double precision, (count, features), all of them finite."""
    check_features(name, points)
    if points.ndim < 2 or len(points) < least:
        msg = (
            f"{name}: expected points (count, *features), at least {least} of them; got shape "
            f"{tuple(points.shape)}."
        )
        raise ValueError(msg)
    found = points.double().flatten(1)
    if points.is_meta:
        msg = f"{name}: expected points with values; got the shapes alone of the meta device."
        raise ValueError(msg)
    finite = found.isfinite().all(dim=1)
    if not finite.all():
        worst = int((~finite).int().argmax())
        msg = (
            f"{name}: expected finite features; got NaN or infinity at point {worst}. Look at the "
            "layer that made it."
        )
        raise ValueError(msg)
    return found


def normal(shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
    """Return normal numbers in double precision, where the generator is."""
    device = None if generator is None else generator.device
    return torch.randn(shape, generator=generator, dtype=torch.float64, device=device)


def precision_of(*tensors: Tensor) -> torch.dtype:
    """Return the number format of a result: that of the tensors, at least single."""
    found = torch.float32
    for tensor in tensors:
        found = torch.promote_types(found, tensor.dtype)
    return found


def rounding_of(*tensors: Tensor) -> float:
    """Return the relative rounding error of the coarsest of the formats."""
    return max(torch.finfo(tensor.dtype).eps for tensor in tensors)
