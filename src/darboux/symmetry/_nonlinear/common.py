"""Shared parts of the nonlinearities: views of fields, claims, exact constants."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from darboux.activations import Activation
from darboux.structure import Claim, Equivariant, Kind
from darboux.symmetry._feature import Feature

Runs = tuple[tuple[int, int], ...]  # (how many fields, channels of each), in order


def size_runs(sizes: Sequence[int]) -> Runs:
    """Return runs of equal neighbouring sizes as (count, size)."""
    return tuple((len(list(run)), size) for size, run in groupby(sizes))


def split_fields(x: Tensor, runs: Runs) -> list[Tensor]:
    """Return a view (batch, count, size, *space) of each run."""
    if len(runs) == 1:  # the derivative of a split copies
        return [x.unflatten(1, runs[0])]
    parts = x.split([count * size for count, size in runs], dim=1)
    return [part.unflatten(1, run) for part, run in zip(parts, runs, strict=True)]


def join_fields(parts: Sequence[Tensor]) -> Tensor:
    """Return the channels (batch, channels, *space) of runs (batch, count, size, *space)."""
    return joined([part.flatten(1, 2) for part in parts])


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Return tensors side by side along the channels; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)


def inner(x: Tensor, y: Tensor, runs: Runs, *, dtype: torch.dtype) -> Tensor:
    """Return ⟨x_f, y_f⟩ of each field, (batch, fields, *space), outside of differentiation."""
    # A reduction along a short axis costs several passes over memory; adding up slices costs
    # one.
    if x.dtype != dtype:
        x, y = x.to(dtype), y.to(dtype)
    counts = [count for count, _ in runs]
    total = x.new_empty(len(x), sum(counts), *x.shape[2:])
    places = total.split(counts, dim=1)
    for a, b, place in zip(split_fields(x, runs), split_fields(y, runs), places, strict=True):
        torch.mul(a.select(2, 0), b.select(2, 0), out=place)
        for k in range(1, a.shape[2]):
            place.addcmul_(a.select(2, k), b.select(2, k))
    return total


def norms(part: Tensor) -> Tensor:
    """Return the norm of each field of a run, with the derivative zero at zero."""
    # scaled, so that squares neither overflow nor vanish
    size = part.detach().abs().amax(2, keepdim=True)
    safe = torch.where(size == 0, torch.ones_like(size), size)
    square = (part / safe).square().sum(2)
    zero = square == 0  # which NaN is not, so that it stays NaN
    root = torch.where(zero, torch.ones_like(square), square).sqrt()
    return torch.where(zero, torch.zeros_like(root), root) * safe.squeeze(2)


def working(dtype: torch.dtype) -> torch.dtype:
    """Return the number format in which norms are computed: at least single precision."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def equivariant_claim(
    source: Feature, target: Feature, reason: str, *, on_grid: bool = False
) -> Claim:
    """Return the claim that a map commutes with the actions on source and target."""
    promise = Equivariant(source.group, source, target, grid=on_grid, translations=(1, 1))
    return Claim(promise, Kind.CONSTRUCTION, reason)


def one_function(name: str, activation: Activation) -> None:
    """Refuse an activation that mixes entries, or acts differently on different channels."""
    if not activation.separable:
        msg = (
            f"{name}: expected an activation that acts on each entry alone; got {activation!r}, "
            "which mixes channels, and does not commute with moving them. Use ReLU() or Clip()."
        )
        raise ValueError(msg)
    if not activation.uniform:
        msg = (
            f"{name}: expected the same function on every channel; got {activation!r} with "
            "thresholds per channel, which moving the channels would exchange. Use one for all, "
            "Clip()."
        )
        raise ValueError(msg)


def exact(constant: Tensor) -> Tensor:
    """Return the bits of a float64 constant: a buffer's ``.to(dtype)`` casts no integers."""
    # So ``module.float().double()`` computes with the constant itself, not with what single
    # precision left of it; it moves between devices like any buffer, and is no state.
    return constant.detach().to(torch.float64).contiguous().view(torch.int64)


def value(bits: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the constant of `exact`, rounded to a number format."""
    return bits.view(torch.float64).to(dtype)
