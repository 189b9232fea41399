"""One step of the Dormand-Prince pair, with a time and a step for each sample of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.integrators._methods import DORMAND_PRINCE, DORMAND_PRINCE_4

Slope = Callable[[Tensor, Tensor], Tensor]

Terms = tuple[tuple[int, float], ...]

_ROWS: tuple[Terms, ...] = tuple(
    tuple((j, float(x)) for j, x in enumerate(row) if x != 0) for row in DORMAND_PRINCE.a
)

_NODES = tuple(float(node) for node in DORMAND_PRINCE.c)

_ERROR: Terms = tuple(
    (j, float(fifth - fourth))
    for j, (fifth, fourth) in enumerate(zip(DORMAND_PRINCE.b, DORMAND_PRINCE_4, strict=True))
    if fifth != fourth
)


@dataclass(frozen=True)
class Embedded:
    """A step: the result of order 5, the slope there, and its distance from that of order 4."""

    after: Tensor
    slope: Tensor
    error: Tensor


def embedded_step(field: Slope, t: Tensor, h: Tensor, z: Tensor, first: Tensor) -> Embedded:
    """Return one step with its error."""
    slopes = _slopes(field, t, h, z, first)
    after = _combined(z, slopes, _ROWS[-1], h)
    slopes.append(field(t + h, after))
    return Embedded(after, slopes[-1], _combined(torch.zeros_like(z), slopes, _ERROR, h))


def plain_step(field: Slope, t: Tensor, h: Tensor, z: Tensor, first: Tensor) -> Tensor:
    """Return the result of order 5 of one step."""
    return _combined(z, _slopes(field, t, h, z, first), _ROWS[-1], h)


def _slopes(field: Slope, t: Tensor, h: Tensor, z: Tensor, first: Tensor) -> list[Tensor]:
    """Return the slopes of all stages but the last, which is the result."""
    slopes = [first]
    for node, row in zip(_NODES[1:-1], _ROWS[1:-1], strict=True):
        slopes.append(field(t + node * h, _combined(z, slopes, row, h)))
    return slopes


def _combined(z: Tensor, slopes: list[Tensor], row: Terms, h: Tensor) -> Tensor:
    """Return z + h Σ_j a_j k_j, one fused operation per term."""
    for j, coefficient in row:
        z = torch.addcmul(z, slopes[j], h, value=coefficient)
    return z
