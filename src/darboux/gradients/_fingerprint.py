"""Fingerprints of tensors: a few numbers that tell whether a reconstructed one is right."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

_SAMPLES = 512  # entries of a batch that are kept, at least one of each sample

_PIECES = 8  # projections of a batch, at least

_LOOSER = 8.0  # a projection is a random number, up to so many times its mean

_BLOCK = 64  # entries that are added up one after another

_NOISE = 32.0  # units of rounding in the sum of a projection


@final
class Fingerprint(NamedTuple):
    """Some entries of a tensor, (batch, entries), and projections of all, (batch, pieces)."""

    entries: Tensor
    projections: Tensor


Marks = Mapping[int, Fingerprint]
"""Fingerprints of some tensors of a stack, by their places."""


@final
class Fingerprints:
    """Takes fingerprints, and compares them."""

    # Some entries, always the same random ones, tell how large an error is that has spread.
    # Projections x ↦ ⟨w, x_b⟩ of each sample on fixed signs w = ±1 tell whether there is an error
    # somewhere else: E ⟨w, e⟩² = ‖e‖², whatever e is.

    def __init__(self) -> None:
        self._signs: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}
        self._places: dict[tuple[int, int, torch.device], Tensor] = {}

    def __call__(self, x: Tensor) -> Fingerprint:
        """Return the fingerprint of features (batch, ...)."""
        rows = x.flatten(1)
        rows = rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
        return Fingerprint(rows.index_select(1, self._chosen(rows)), self._projected(rows))

    def projections(self, x: Tensor) -> Tensor:
        """Return the projections of one tensor as a whole, (1, pieces)."""
        row = x.reshape(1, -1)
        return self._projected(row if row.dtype in (torch.float32, torch.float64) else row.float())

    def marks(self, stack: Sequence[Tensor], places: Sequence[int], known: Marks) -> Marks:
        """Return the fingerprints of some tensors of a stack, as far as they are not known."""
        return {i: known[i] if i in known else self(stack[i]) for i in places}

    def drift(self, marks: Marks, stack: Sequence[Tensor], left: Collection[int] = ()) -> float:
        """Return the error relative to all that is marked, in what is not known to be the same."""
        return max((self._drift(marks, i, stack[i]) for i in marks if i not in left), default=0.0)

    def _drift(self, marks: Marks, place: int, x: Tensor) -> float:
        """Return the relative error, the root mean square of the worst sample."""
        mark = marks[place]
        # Zero where the mark is not finite: then nothing can be compared, nor can it drift.
        if not mark.entries.numel():
            return 0.0
        entries, projections = self(x)
        norm = torch.linalg.vector_norm
        error, size, spread, whole = torch.stack(
            [
                norm(entries - mark.entries, dim=1).amax(),
                _norm([other.entries for other in marks.values()]),
                norm(projections - mark.projections, float("inf")),
                _norm([other.projections for other in marks.values()]),
            ]
        ).tolist()
        if not math.isfinite(size) or not math.isfinite(whole):
            return 0.0
        noise = _NOISE * torch.finfo(projections.dtype).eps
        elsewhere = _ratio(spread, whole) * math.sqrt(projections.numel()) - noise
        return max(_ratio(error, size) * math.sqrt(len(entries)), elsewhere / _LOOSER, 0.0)

    def _projected(self, rows: Tensor) -> Tensor:
        # Sums of sums: one long one, of a matrix product, would round as much as is to be seen.
        signs = self._of(rows)
        if rows.shape[1] % _BLOCK:
            blocks = rows * signs
        elif not torch.is_autocast_enabled(rows.device.type):
            blocks = _signed(rows, signs)
        else:
            with torch.autocast(rows.device.type, enabled=False):
                blocks = _signed(rows, signs)
        count = blocks.shape[1]
        pieces = max(1, min(count, math.ceil(_PIECES / max(len(rows), 1))))
        if count % pieces:
            return torch.stack([p.sum(dim=1) for p in blocks.tensor_split(pieces, dim=1)], dim=1)
        return blocks.reshape(len(rows), pieces, count // pieces).sum(dim=2)

    def _of(self, rows: Tensor) -> Tensor:
        size = rows.shape[1]
        key = (size, rows.dtype, rows.device)
        if key not in self._signs:
            generator = torch.Generator().manual_seed(size)
            bits = torch.randint(0, 2, (size,), generator=generator, dtype=torch.int8)
            self._signs[key] = (2 * bits - 1).to(rows.device, rows.dtype)
        return self._signs[key]

    def _chosen(self, rows: Tensor) -> Tensor:
        batch, size = rows.shape
        count = min(size, max(1, _SAMPLES // max(batch, 1)))
        key = (size, count, rows.device)
        if key not in self._places:
            generator = torch.Generator().manual_seed(size)
            places = torch.randperm(size, generator=generator)[:count]
            self._places[key] = places.sort().values.to(rows.device)
        return self._places[key]

    def __getstate__(self) -> dict[str, object]:
        """Leave the tables behind: they can be made again."""
        return {"_signs": {}, "_places": {}}


def _norm(parts: Sequence[Tensor]) -> Tensor:
    return torch.linalg.vector_norm(torch.cat([part.flatten() for part in parts]))


def _ratio(error: float, size: float) -> float:
    if error == 0.0:
        return 0.0
    return error / size if size > 0 and not math.isnan(error) else math.inf


def _signed(rows: Tensor, signs: Tensor) -> Tensor:
    """Return signed sums over blocks, themselves with signs, (batch, blocks)."""
    blocks = rows.reshape(-1, _BLOCK) @ signs[:_BLOCK]
    return blocks.reshape(len(rows), rows.shape[1] // _BLOCK) * signs[_BLOCK - 1 :: _BLOCK]
