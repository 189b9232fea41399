"""Energies of filter responses and their gradients, strip by strip, so that they stay in cache."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from darboux.imaging._potential import ClipDifference

_ENTRIES = 2**18  # responses of a strip

_ROWS = 4  # at least: gradients of neighbouring strips overlap by the reach of a filter


def by_strips(
    potential: ClipDifference, padded: Tensor, filters: Tensor, scale: Tensor, *, value: bool
) -> tuple[Tensor, Tensor]:
    """Return Σ τ² ψ(W x / τ), float64, (batch,), and W* τ ψ'(W x / τ), of padded planar images."""
    # The adjoint of a convolution is a product of matrices with its terms added up: for one or
    # three channels several times faster than what torch has for it.
    total = padded.new_zeros(len(padded), dtype=torch.float64)
    slopes = torch.zeros_like(padded)
    count = max(1, _ENTRIES // (len(filters) * padded[0, 0].numel())) if len(scale) == 1 else 1
    for start in range(0, len(padded), count):
        part = slice(start, start + count)
        tau = scale[0 if len(scale) == 1 else start].reshape(-1, 1, 1, 1)
        _sweep(potential, padded[part], filters, tau, total[part], slopes[part], value=value)
    return total, slopes


def _sweep(
    potential: ClipDifference,
    x: Tensor,
    filters: Tensor,
    tau: Tensor,
    total: Tensor,
    slopes: Tensor,
    *,
    value: bool,
) -> None:
    """Add energies to `total` and gradients to `slopes`, for samples with the same thresholds."""
    weights = tau.flatten().double().square()
    forward, back = filters / tau, (filters * tau).flatten(1).T.contiguous()
    taps, (height, width) = filters.shape[2:], x.shape[2:]
    last = height - taps[0] + 1
    rows = max(_ROWS, _ENTRIES // (len(x) * len(filters) * width))
    for top in range(0, last, rows):
        bottom = min(top + rows, last) + taps[0] - 1
        u = functional.conv2d(x[:, :, top:bottom], forward)
        energy, slope = potential.totals_and_slope(u, totals=value)
        if energy is not None:
            total += energy.double() @ weights
        columns = (back @ slope.flatten(2)).reshape(len(x), -1, *taps, *u.shape[2:])
        _overlap(columns, slopes[:, :, top:bottom])


def _overlap(columns: Tensor, image: Tensor) -> None:
    """Add terms (batch, channels, *taps, rows, columns) to an image, each at its tap."""
    # What `torch.nn.functional.fold` does, one axis after the other in a third of the time.
    *lead, down, across, rows, width = columns.shape
    lines = columns.new_zeros(*lead, down, rows, image.shape[-1])
    for k in range(across):
        lines[..., k : k + width] += columns[:, :, :, k]
    for k in range(down):
        image[:, :, k : k + rows] += lines[:, :, k]
