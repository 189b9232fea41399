"""The pair of Dormand and Prince: its coefficients, and one step with a step size per sample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from darboux.integrators._outputs import Slope, along
from darboux.integrators._tableau import Tableau

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

# Weights of fourth order for the stages of DORMAND_PRINCE; the difference from b is two thirds of
# that of Dormand and Prince.
# Shampine 1986, Some practical Runge-Kutta formulas.
DORMAND_PRINCE_4 = (
    Fraction(1951, 21600),
    Fraction(0),
    Fraction(22642, 50085),
    Fraction(451, 720),
    Fraction(-12231, 42400),
    Fraction(649, 6300),
    Fraction(1, 60),
)

# z(t + θh) = z + h Σ_j b_j(θ) k_j to order 4, with b_j(θ) = Σ_i DENSE[j][i] θ^(i+1).
# Shampine 1986, too.
DENSE = (
    (
        1,
        Fraction(-8048581381, 2820520608),
        Fraction(8663915743, 2820520608),
        Fraction(-12715105075, 11282082432),
    ),
    (0, 0, 0, 0),
    (
        0,
        Fraction(131558114200, 32700410799),
        Fraction(-68118460800, 10900136933),
        Fraction(87487479700, 32700410799),
    ),
    (
        0,
        Fraction(-1754552775, 470086768),
        Fraction(14199869525, 1410260304),
        Fraction(-10690763975, 1880347072),
    ),
    (
        0,
        Fraction(127303824393, 49829197408),
        Fraction(-318862633887, 49829197408),
        Fraction(701980252875, 199316789632),
    ),
    (
        0,
        Fraction(-282668133, 205662961),
        Fraction(2019193451, 616988883),
        Fraction(-1453857185, 822651844),
    ),
    (0, Fraction(40617522, 29380423), Fraction(-110615467, 29380423), Fraction(69997945, 29380423)),
)

_ROWS: tuple[_Terms, ...] = tuple(
    tuple((j, float(x)) for j, x in enumerate(row) if x != 0) for row in DORMAND_PRINCE.a
)

_NODES = tuple(float(node) for node in DORMAND_PRINCE.c)

# with the weight 0 of the second stage: one that is no number must not get lost
_ERROR: _Terms = tuple(
    (j, float(fifth - fourth))
    for j, (fifth, fourth) in enumerate(zip(DORMAND_PRINCE.b, DORMAND_PRINCE_4, strict=True))
)


_DENSE = tuple(tuple(float(x) for x in row) for row in DENSE)


@dataclass(frozen=True)
class Embedded:
    """A step: the result of order 5, the slopes, and its distance from that of order 4."""

    after: Tensor
    slopes: list[Tensor]  # the last one is that of the result
    error: Tensor


def embedded_step(field: Slope, t: Tensor, h: Tensor, z: Tensor, first: Tensor) -> Embedded:
    """Return one step with its error."""
    after, slopes = plain_step(field, t, h, z, first)
    slopes.append(field(along(t + h, z), after))
    (j, weight), *rest = _ERROR
    error = weight * slopes[j]
    for j, weight in rest:
        error = torch.add(error, slopes[j], alpha=weight)
    return Embedded(after, slopes, error * along(h, z))


def plain_step(
    field: Slope, t: Tensor, h: Tensor, z: Tensor, first: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Return the result of order 5 of one step, and the slopes of all stages before it."""
    # t and h are those of each sample, (batch,), in float64; f gets them in the dtype of z
    size, slopes = along(h, z), [first]
    for node, row in zip(_NODES[1:-1], _ROWS[1:-1], strict=True):
        slopes.append(field(along(t + node * h, z), _combined(z, slopes, row, size)))
    return _combined(z, slopes, _ROWS[-1], size), slopes


def interpolated(z: Tensor, slopes: list[Tensor], h: Tensor, place: Tensor) -> Tensor:
    """Return z(t + θh) of a step by h from z, θ and h being those of each sample, (batch,)."""
    dense = torch.tensor(_DENSE, dtype=place.dtype, device=place.device)
    powers = torch.stack([place, place.square(), place.pow(3), place.square().square()])
    for slope, weight in zip(slopes, dense @ powers * h, strict=True):
        z = torch.addcmul(z, slope, along(weight, z))
    return z


def _combined(z: Tensor, slopes: list[Tensor], row: _Terms, h: Tensor) -> Tensor:
    """Return z + h Σ_j a_j k_j, one fused operation per term."""
    for j, coefficient in row:
        z = torch.addcmul(z, slopes[j], h, value=coefficient)
    return z
