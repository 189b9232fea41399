"""Diffusion-weighted signals: directions, noise, and the fit of a tensor to them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from reproductions.diffusion_tensors.tensors import matrices, six


class Scan(NamedTuple):
    """A signal without diffusion weighting and weighted ones along directions."""

    signals: Tensor  # (*batch, X, Y, Z, 1 + directions), the unweighted one first
    directions: Tensor  # (directions, 3), unit vectors
    weights: Tensor  # (directions,), the b-values in ms/µm²

    def along(self, chosen: Tensor) -> Scan:
        """Return the scan with some of its directions only."""
        rows = torch.cat([chosen.new_zeros(1), 1 + chosen])
        return Scan(self.signals[..., rows], self.directions[chosen], self.weights[chosen])


def scanned(
    tensors: Tensor,
    unweighted: Tensor,
    directions: Tensor,
    *,
    noise: Tensor,
    generator: Generator | None = None,
) -> Scan:
    """Return S₀ exp(-b gᵀ D g) for b = 1 ms/µm² with Rician noise.

    Shapes: (batch, X, Y, Z, 3, 3), (batch, X, Y, Z), (directions, 3), (batch,).
    """
    decay = six(tensors) @ six(_squares(directions)).T
    whole = torch.cat([torch.zeros_like(decay[..., :1]), decay], dim=-1)
    clean = unweighted[..., None] * (-whole).exp()
    real, imaginary = torch.randn(2, *clean.shape, generator=generator)
    size = noise.reshape(-1, 1, 1, 1, 1)
    signals = torch.hypot(clean + size * real, size * imaginary)
    return Scan(signals, directions, torch.ones(len(directions)))


def fitted(scan: Scan) -> Tensor:
    """Return the weighted least-squares tensors, (*batch, X, Y, Z, 3, 3): symmetric, any sign.

    log S = log S₀ - b gᵀ D g is fitted twice: plainly, and with the squares of the signals that
    this first fit predicts as weights. Signals of 0 are raised to the least positive one.

    Source: Salvador et al. 2005.
    """
    least = scan.signals[scan.signals > 0].min()
    logs = scan.signals.double().clamp(min=float(least)).log()
    design = _design(scan).double()
    first = logs @ torch.linalg.pinv(design).T
    weights = (2 * (first @ design.T)).exp()
    weights = weights / weights.amax(-1, keepdim=True)
    left = torch.einsum("...k,ki,kj->...ij", weights, design, design)
    right = torch.einsum("...k,ki,...k->...i", weights, design, logs)
    found = torch.linalg.solve(left, right)
    return matrices(found[..., :6]).to(scan.signals.dtype)


def spread(directions: Tensor, count: int, *, first: int) -> Tensor:
    """Return the places of well-spread directions among many, (count,): the first one is given.

    Each of the next lies farthest from those before; a direction and its opposite are the same.
    """
    angles = (directions @ directions.T).abs()
    chosen = [first]
    for _ in range(count - 1):
        chosen.append(int(angles[chosen].amax(0).argmin()))
    return torch.tensor(chosen)


def random_directions(count: int, *, generator: Generator | None = None) -> Tensor:
    """Return well-spread random directions, (count, 3)."""
    many = torch.nn.functional.normalize(torch.randn(40 * count, 3, generator=generator), dim=1)
    return many[spread(many, count, first=0)]


def _squares(directions: Tensor) -> Tensor:
    return directions[:, :, None] * directions[:, None, :]


def _design(scan: Scan) -> Tensor:
    """Return the matrix of the linear model of log S, (1 + directions, 7)."""
    decay = -scan.weights[:, None] * six(_squares(scan.directions))
    rows = torch.cat([torch.zeros_like(decay[:1]), decay])
    return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
