"""Exact substitution in causal convolutions, one wavefront of the image after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def _causal_offsets(kernel_size: Sequence[int]) -> Tensor:
    """Return the places of the taps before the centre, in raster order: (taps, axes), int64."""
    axes = [torch.arange(-(k // 2), k // 2 + 1) for k in kernel_size]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(axes))
    return points[: len(points) // 2]


@dataclass(frozen=True)
class Wavefronts:
    """Which pixels are found together, and from which earlier ones."""

    # A pixel p belongs to front τ = Σ_a s_a p_a with s_d = 1, s_{a-1} = s_a (k_a + 1)/2: every
    # tap before the centre in raster order then lies on an earlier front, at most M before.
    # Fronts have one slot for each point of the leading axes. All indices are places along
    # one axis, where the one past the end means zero.

    memory: int
    slots: int
    sources: Tensor
    neighbours: Tensor
    places: Tensor


def wavefronts(
    size: Sequence[int], kernel_size: Sequence[int], device: torch.device | None = None
) -> Wavefronts:
    """Return the fronts of an image for a kernel."""
    steps = [1]
    for k in reversed(kernel_size[1:]):
        steps.insert(0, steps[0] * (k // 2 + 1))
    offsets, pace = _causal_offsets(kernel_size), torch.tensor(steps)
    memory = int(sum(s * (k // 2) for s, k in zip(steps, kernel_size, strict=True)))
    fronts = 1 + sum(s * (n - 1) for s, n in zip(steps, size, strict=True))
    pixels, total = _lattice(size), torch.Size(size).numel()
    lead = _lattice(size[:-1])
    slots = len(lead)
    # In the slot of a leading place, front τ has the pixel with this last coordinate.
    last = torch.arange(fronts)[:, None] - lead @ pace[:-1]
    exists = _within(last, size[-1])
    sources = torch.where(exists, _raster(lead, size[:-1]) * size[-1] + last, total)
    others = lead + offsets[:, None, :-1]
    known = (others >= 0).all(dim=-1) & (others < torch.tensor(size[:-1])).all(dim=-1)
    recent = (memory + offsets @ pace)[:, None] * slots + _raster(others, size[:-1])
    reached = known & exists[:, None] & _within(last[:, None] + offsets[:, -1:], size[-1])
    recent = torch.where(reached, recent, memory * slots).flatten(1)
    places = (pixels @ pace) * slots + _raster(pixels[:, :-1], size[:-1])
    sources, recent, places = (index.to(device) for index in (sources, recent, places))
    return Wavefronts(memory, slots, sources, recent, places)


def causal_solve(
    taps: Tensor, centre: Tensor, y: Tensor, fronts: Wavefronts, *, upper: bool
) -> Tensor:
    """Return x with C x(p) + Σ_t W(t) x(p + t) = y(p), t before 0 in raster order."""
    # One front after another: Σ_a s_a (n_a - 1) + 1 steps of one matrix product each, where
    # pixel by pixel it would be Π n_a. Differentiable like any composition.
    size, channels = y.shape, y.shape[1]
    rest = torch.linalg.solve_triangular(centre, taps.flatten(1), upper=upper)
    eye = torch.eye(channels, dtype=y.dtype, device=y.device)
    inverse = torch.linalg.solve_triangular(centre, eye, upper=upper)
    # Pixels first: rows of (batch, channels) are gathered in one piece.
    steps = -rest.reshape(channels, channels, -1).permute(2, 1, 0)
    rows = y.flatten(2).permute(2, 0, 1) @ inverse.T
    zero = torch.zeros_like(rows[:1])
    rows = torch.cat([rows, zero]).index_select(0, fronts.sources.flatten())
    start = torch.zeros_like(rows[: fronts.slots])
    recent = deque([start] * fronts.memory, maxlen=fronts.memory)
    found = []
    for front, index in zip(rows.split(fronts.slots), fronts.neighbours, strict=True):
        known = torch.cat([*recent, zero]).index_select(0, index)
        change = torch.bmm(known.reshape(len(steps), -1, channels), steps).sum(dim=0)
        found.append(front + change.reshape(front.shape))
        recent.append(found[-1])
    solved = torch.cat(found).index_select(0, fronts.places)
    return solved.permute(1, 2, 0).reshape(size)


def _lattice(size: Sequence[int]) -> Tensor:
    """Return all points of an image in raster order: (points, axes)."""
    if not size:
        return torch.zeros(1, 0, dtype=torch.int64)
    return torch.cartesian_prod(*(torch.arange(n) for n in size)).reshape(-1, len(size))


def _within(place: Tensor, size: int) -> Tensor:
    return (place >= 0) & (place < size)


def _raster(points: Tensor, size: Sequence[int]) -> Tensor:
    """Return the rank of points in raster order; 0 where there are no axes."""
    strides = [torch.Size(size[a + 1 :]).numel() for a in range(len(size))]
    return points @ torch.tensor(strides, dtype=torch.int64)
