"""Whether a map acts on each row of its argument alone."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.solvers._convergence import Map
from darboux.solvers._transforms import is_mapped

_ROUNDING = 100.0  # units, relative to the largest entry of a row

_FAR = 0.5  # how far rows are moved, relative to each entry


def mixing(f: Map, z: Tensor) -> str | None:
    """Return in what way f(z), (rows, ...), does not act on each row of z alone, None if it does.

    For each bit of the index, the rows that have it are moved, and then those that have not: any
    two rows differ in a bit, so that f is tried for each of them while the other one moves. That
    takes 2⌈log₂ n⌉ + 2 evaluations for n rows, and none for one row, or where nothing can be said
    of values: under `torch.func.vmap`, in a compiled graph, on the meta device.

    Args:
        f: the map; its values are (rows, ...).
        z: where it is tried, (rows, ...).
    """
    if len(z) < 2 or z.is_meta or torch.compiler.is_compiling() or is_mapped():
        return None
    with torch.no_grad():
        expected, moved = f(z), _moved(z)
        everywhere = torch.ones(len(z), dtype=torch.bool, device=z.device)
        if _changed(expected, f(z), everywhere) is not None:
            return "it has other values when it is evaluated again"
        index = torch.arange(len(z), device=z.device)
        for bit in range((len(z) - 1).bit_length()):
            for value in (0, 1):
                still = (index >> bit) % 2 == value
                there = torch.where(still.reshape(-1, *(1,) * (z.ndim - 1)), z, moved)
                row = _changed(expected, f(there), still)
                if row is not None:
                    return f"row {row} of it changes where other rows of its argument do"
    return None


def _moved(z: Tensor) -> Tensor:
    """Return other values for all rows, of the same signs: a map may want positive numbers."""
    generator = torch.Generator().manual_seed(0)
    real = z.dtype.to_real()
    factor = 1 + _FAR * (2 * torch.rand(z.shape, generator=generator) - 1).to(z.device, real)
    size = z.abs().square().mean().sqrt()
    zeros = torch.where(size > 0, size, 1.0) * (factor - 1)
    return torch.where(z == 0, zeros.to(z.dtype), z * factor)


def _changed(expected: Tensor, found: Tensor, rows: Tensor) -> int | None:
    """Return the first of some rows in which values differ by more than rounding."""
    flat, other = expected.reshape(len(rows), -1), found.reshape(len(rows), -1)
    size = torch.where(flat.isfinite(), flat.abs(), 0.0).amax(dim=1, keepdim=True)
    limit = _ROUNDING * torch.finfo(flat.dtype).eps * size
    same = (flat == other) | ((flat - other).abs() <= limit) | (flat.isnan() & other.isnan())
    lost = rows & ~same.all(dim=1)
    return int(lost.nonzero()[0, 0]) if bool(lost.any()) else None
