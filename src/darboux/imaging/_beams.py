"""The areas in which strips meet pixels, as a sparse matrix that acts in both directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

_SAME = 1e-9  # radians between directions that share a matrix

_THIN = 1e-7  # sines below which the shadow of a pixel is a box

Slot = tuple[int, int, bool]
"""A direction: its base, which of four images is projected, and whether strips are reversed."""

Bags = tuple[Tensor, Tensor, Tensor]
"""Rows of a sparse matrix: where each begins, columns, entries."""


def folded(angles: Sequence[float]) -> tuple[list[float], list[Slot]]:
    """Return base directions in [0, π/4], and for every direction how it comes from one."""
    bases: list[float] = []
    slots = []
    for angle in angles:
        turns = math.floor((angle + _SAME) / (math.pi / 2))
        rest = angle - turns * (math.pi / 2)
        mirrored = rest > math.pi / 4 + _SAME
        rest = max(math.pi / 2 - rest if mirrored else rest, 0.0)
        base = next((k for k, known in enumerate(bases) if abs(known - rest) < _SAME), len(bases))
        if base == len(bases):
            bases.append(rest)
        slots.append((base, turns % 2 + 2 * mirrored, turns % 4 >= 2))
    return bases, slots


@final
@dataclass(frozen=True)
class Beams:
    """Areas of pixels in strips, for base directions.

    Args:
        edge: n, of the square image.
        detectors: T, strips of each direction.
        pixels: for every strip the pixels that it meets.
        strips: for every pixel the strips that meet it.
    """

    edge: int
    detectors: int
    pixels: Bags
    strips: Bags

    @classmethod
    def between(cls, edge: int, detectors: int, bases: Sequence[float]) -> Beams:
        """Return the areas for pixels of an n x n image and strips in base directions."""
        with torch.device("cpu"):
            parts = [_areas(edge, detectors, base) for base in bases]
            rows = torch.stack([first + k * detectors for k, (first, _, _) in enumerate(parts)], 1)
            areas, inside = (torch.stack([part[i] for part in parts], dim=1) for i in (1, 2))
            kept = inside & (areas > 0)  # (pixels, bases, 3)
            rows, areas = rows[kept], areas[kept]
            counts = kept.flatten(1).sum(dim=1)
            columns = torch.arange(edge**2).repeat_interleave(counts)
            order = rows.argsort(stable=True)
            hits = torch.bincount(rows, minlength=len(bases) * detectors)
            pixels = (_offsets(hits), columns[order].int(), areas[order])
            return cls(edge, detectors, pixels, (_offsets(counts), rows.int(), areas))

    def to(self, like: Tensor) -> Beams:
        """Return the same areas in the format and on the device of a tensor."""
        pixels, strips = (
            (offsets.to(like.device), index.to(like.device), areas.to(like))
            for offsets, index, areas in (self.pixels, self.strips)
        )
        return Beams(self.edge, self.detectors, pixels, strips)

    def fits(self, like: Tensor) -> bool:
        """Return whether they are in the format and on the device of a tensor."""
        areas = self.pixels[2]
        return areas.dtype == like.dtype and areas.device == like.device

    def project(self, images: Tensor, slots: Sequence[Slot]) -> Tensor:
        """Return the sums over strips, (images, directions, T), of (images, n, n)."""
        count, n, bases = len(images), self.edge, len(self.pixels[0]) // self.detectors
        turned = torch.rot90(images, -1, (1, 2))
        four = [images, turned, _reflected(images), _reflected(turned)]
        table = torch.stack(four).reshape(4 * count, n * n).T.contiguous()
        sums = summed(table, self.pixels, self.strips)
        sums = sums.reshape(bases, self.detectors, 4, count).permute(3, 0, 2, 1).flatten(1, 2)
        both = torch.cat([sums, sums.flip(-1)], dim=1)
        return both[:, _places(slots, sums.shape[1])]

    def backproject(self, sums: Tensor, slots: Sequence[Slot]) -> Tensor:
        """Return the adjoint of `project`: (images, n, n)."""
        count, n, detectors = len(sums), self.edge, self.detectors
        half = len(self.pixels[0]) // detectors * 4
        places = torch.tensor(_places(slots, half), device=sums.device)
        both = sums.new_zeros(count, 2 * half, detectors).index_add(1, places, sums)
        table = both[:, :half] + both[:, half:].flip(-1)
        table = table.reshape(count, half // 4, 4, detectors).permute(1, 3, 2, 0)
        table = table.reshape(half // 4 * detectors, 4 * count)
        four = summed(table, self.strips, self.pixels).T.reshape(4, count, n, n)
        one, two = four[0] + _reflected(four[2]), four[1] + _reflected(four[3])
        return one + torch.rot90(two, 1, (1, 2))


def _places(slots: Sequence[Slot], half: int) -> list[int]:
    return [4 * base + image + half * reverse for base, image, reverse in slots]


def _reflected(x: Tensor) -> Tensor:
    """Return images reflected at the diagonal from the lower left to the upper right."""
    return torch.rot90(x, 2, (1, 2)).mT


def _offsets(counts: Tensor) -> Tensor:
    return F.pad(counts.cumsum(0), (1, 0))[:-1].int()


def _areas(edge: int, detectors: int, angle: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return three strips for every pixel, their areas in it, and whether they exist: (n², 3)."""
    along = torch.arange(edge, dtype=torch.float64) - (edge - 1) / 2
    place = along * math.cos(angle) - along[:, None] * math.sin(angle) + detectors / 2
    reach = (math.cos(angle) + math.sin(angle)) / 2  # of the shadow of a pixel
    first = (place - reach).floor().flatten()[:, None]
    edges = first + torch.arange(4, dtype=torch.float64)
    areas = _shadow(edges - place.flatten()[:, None], angle).diff(dim=1)
    strips = first.long() + torch.arange(3)
    return strips, areas, (strips >= 0) & (strips < detectors)


def _shadow(d: Tensor, angle: float) -> Tensor:
    """Return the area of a unit square to the left of a line at a distance d from its centre."""
    wide, thin = math.cos(angle), math.sin(angle)
    if thin < _THIN:
        return (d / wide + 0.5).clamp(0, 1)
    outer, inner = (wide + thin) / 2, (wide - thin) / 2
    ends = [(d + s).clamp(min=0).square() for s in (outer, inner, -inner, -outer)]
    return ((ends[0] - ends[1] - ends[2] + ends[3]) / (2 * wide * thin)).clamp(0, 1)


def summed(table: Tensor, there: Bags, back: Bags) -> Tensor:
    """Return weighted sums of rows of a table, with the transposed matrix for derivatives."""
    if torch.compiler.is_compiling():  # differentiates by itself
        return _summed(table, there)
    result: Tensor = _Summed.apply(table, there, back)
    return result


def _summed(table: Tensor, bags: Bags) -> Tensor:
    offsets, index, entries = bags
    if table.shape[1] == 0:
        return table.new_zeros(len(offsets), 0)
    return F.embedding_bag(index, table, offsets, mode="sum", per_sample_weights=entries)


@final
class _Summed(torch.autograd.Function):
    """A sparse product, and its derivatives: sparse products."""

    @staticmethod
    def forward(table: Tensor, there: Bags, back: Bags) -> Tensor:
        del back
        return _summed(table, there)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        del output
        _, ctx.there, ctx.back = inputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return summed(gradient, ctx.back, ctx.there), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return summed(tangent, ctx.there, ctx.back)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], table: Tensor, there: Bags, back: Bags
    ) -> tuple[Tensor, int]:
        del info
        wide = table.movedim(in_dims[0], 1)  # (rows, batch, columns)
        return summed(wide.flatten(1), there, back).unflatten(1, wide.shape[1:]), 1
