"""Wrapped errors of phases, tile by tile, and how methods take shifts of all phases."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.manifolds import Circle
from reproductions.interferogram.data import Phases

Method = Callable[[Tensor], Tensor]
WINDOWS = (3, 5, 7)  # sides of local means


def local_mean(window: int) -> Method:
    """Return the mean direction over a square window, image to image."""

    def mean(phases: Tensor) -> Tensor:
        vectors = torch.stack([phases.cos(), phases.sin()], dim=1)
        pad = window // 2
        x, y = F.avg_pool2d(vectors, window, 1, pad, count_include_pad=False).unbind(1)
        return torch.atan2(y, x)

    return mean


@torch.no_grad()
def tile_errors(method: Method, phases: Phases, *, tile: int) -> Tensor:
    """Return the mean distance on the circle in each tile that fits, (tiles,), in radians."""
    error = Circle().dist(method(phases.noisy), phases.clean)
    return F.avg_pool2d(error[:, None], tile).flatten()


def best_window(batches: Sequence[Phases]) -> int:
    """Return the window whose local mean has the smallest error."""

    def error(window: int) -> float:
        errors = [tile_errors(local_mean(window), p, tile=p.clean.shape[-1]) for p in batches]
        return float(torch.cat(errors).mean())

    return min(WINDOWS, key=error)


@torch.no_grad()
def shift_error(method: Method, phases: Tensor, *, shifts: int = 7) -> float:
    """Return the largest mean distance between Ψ(φ + c) and Ψ(φ) + c over shifts c, in radians."""
    found = method(phases)
    gaps = [
        Circle().dist(method(Circle().exp(phases, c)), found + c).mean()
        for c in (2 * math.pi * k / (shifts + 1) * torch.ones(()) for k in range(1, shifts + 1))
    ]
    return float(torch.stack(gaps).max())


def near_jumps(clean: Tensor, error: Tensor, *, width: float = 0.5) -> Mapping[str, float]:
    """Return the mean error where the true phase is near ±π, and elsewhere."""
    near = clean.abs() > math.pi - width
    return {"near": float(error[near].mean()), "elsewhere": float(error[~near].mean())}
