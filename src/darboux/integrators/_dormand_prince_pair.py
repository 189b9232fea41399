"""The pair of Dormand and Prince: its coefficients, and one step with a step size per sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from darboux.integrators._tableau import Tableau

Slope = Callable[[Tensor, Tensor], Tensor]

_Terms = tuple[tuple[int, float], ...]

_A = (
    (0, 0, 0, 0, 0, 0, 0),
    (Fraction(1, 5), 0, 0, 0, 0, 0, 0),
    (Fraction(3, 40), Fraction(9, 40), 0, 0, 0, 0, 0),
    (Fraction(44, 45), Fraction(-56, 15), Fraction(32, 9), 0, 0, 0, 0),
    (
        Fraction(19372, 6561),
        Fraction(-25360, 2187),
        Fraction(64448, 6561),
        Fraction(-212, 729),
        0,
        0,
        0,
    ),
    (
        Fraction(9017, 3168),
        Fraction(-355, 33),
        Fraction(46732, 5247),
        Fraction(49, 176),
        Fraction(-5103, 18656),
        0,
        0,
    ),
    (
        Fraction(35, 384),
        0,
        Fraction(500, 1113),
        Fraction(125, 192),
        Fraction(-2187, 6784),
        Fraction(11, 84),
        0,
    ),
)

# The last stage is the result, so that its slope is the first one of the next step.
DORMAND_PRINCE = Tableau(
    a=_A,
    b=_A[-1],
    c=(0, Fraction(1, 5), Fraction(3, 10), Fraction(4, 5), Fraction(8, 9), 1, 1),
    name="Dormand-Prince",
)
"""The seven stages of Dormand and Prince 1980, order 5."""

# Weights of fourth order for the stages of DORMAND_PRINCE.
DORMAND_PRINCE_4 = (
    Fraction(5179, 57600),
    Fraction(0),
    Fraction(7571, 16695),
    Fraction(393, 640),
    Fraction(-92097, 339200),
    Fraction(187, 2100),
    Fraction(1, 40),
)

_ROWS: tuple[_Terms, ...] = tuple(
    tuple((j, float(x)) for j, x in enumerate(row) if x != 0) for row in DORMAND_PRINCE.a
)

_NODES = tuple(float(node) for node in DORMAND_PRINCE.c)

_ERROR: _Terms = tuple(
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


def _combined(z: Tensor, slopes: list[Tensor], row: _Terms, h: Tensor) -> Tensor:
    """Return z + h Σ_j a_j k_j, one fused operation per term."""
    for j, coefficient in row:
        z = torch.addcmul(z, slopes[j], h, value=coefficient)
    return z
