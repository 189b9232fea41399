"""Embedded pairs of explicit Runge-Kutta methods, and how they try a step of each sample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from typing import final

import numpy as np
import torch
from torch import Tensor

from darboux.integrators._outputs import Slope, along
from darboux.integrators._step_control import Tolerance, Tries, Try, Walk
from darboux.integrators._tableau import Number, Tableau
from darboux.solvers._convergence import Numbers

_Terms = tuple[tuple[int, float], ...]


@dataclass(frozen=True, eq=False)
class EmbeddedPair:
    """Two methods on the same stages, and the states between two steps.

    z(t + θh) = z + h Σ_j b_j(θ) k_j with b_j(θ) = Σ_i dense[j][i] θ^(i+1).
    """

    tableau: Tableau  # the last stage is the result: its slope is the first one of the next step
    embedded: tuple[Number, ...]  # weights of lower order, from which the error is estimated
    dense: tuple[tuple[Number, ...], ...]
    order: int

    @cached_property
    def _stages(self) -> tuple[tuple[float, _Terms], ...]:
        """Node and row of each stage between the first one and the result."""
        rows = (_terms(row) for row in self.tableau.a)
        nodes = map(float, self.tableau.c)
        return tuple(zip(nodes, rows, strict=True))[1:-1]

    @cached_property
    def _result(self) -> _Terms:
        return _terms(self.tableau.b)

    @cached_property
    def _error(self) -> _Terms:
        # with weights of 0: a stage that is no number must not get lost
        pairs = zip(self.tableau.b, self.embedded, strict=True)
        return tuple((j, float(b - lower)) for j, (b, lower) in enumerate(pairs))

    @cached_property
    def _dense(self) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(map(float, row)) for row in self.dense)

    def tried(self, field: Slope, t: Tensor, h: Tensor, z: Tensor, first: Tensor) -> Embedded:
        """Return one step with its error."""
        after, slopes = self.stepped(field, t, h, z, first)
        slopes.append(field(along(t + h, z), after))
        (j, weight), *rest = self._error
        error = weight * slopes[j]
        for j, weight in rest:
            error = torch.add(error, slopes[j], alpha=weight)
        return Embedded(after, slopes, error * along(h, z))

    def stepped(
        self, field: Slope, t: Tensor, h: Tensor, z: Tensor, first: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the result of one step, and the slopes of all stages before it."""
        # t and h are those of each sample, (batch,), in float64; f gets them in the dtype of z
        size, slopes = along(h, z), [first]
        for node, row in self._stages:
            slopes.append(field(along(t + node * h, z), _combined(z, slopes, row, size)))
        return _combined(z, slopes, self._result, size), slopes

    def between(self, z: Tensor, slopes: list[Tensor], h: Tensor, place: Tensor) -> Tensor:
        """Return z(t + θh) of a step by h from z, θ and h being those of each sample, (batch,)."""
        dense = torch.tensor(self._dense, dtype=place.dtype, device=place.device)
        powers = torch.stack([place.pow(k) for k in range(1, dense.shape[1] + 1)])
        for slope, weight in zip(slopes, dense @ powers * h, strict=True):
            z = torch.addcmul(z, slope, along(weight, z))
        return z


@dataclass(frozen=True)
class Embedded:
    """A step: the result, the slopes, and its distance from that of lower order."""

    after: Tensor
    slopes: list[Tensor]  # the last one is that of the result
    error: Tensor


@final
@dataclass
class PairTries(Tries):
    """Steps of a pair, accepted by the difference of its two results."""

    pair: EmbeddedPair
    tolerance: Tolerance
    method: str
    safety: float
    shrink: float
    grow: float

    beyond = True
    hint = (
        "Use AdaptiveRadau(), 'radau' in odeint, if the field is stiff there, RadauIIA(3), "
        "LobattoIIIC(3) or ImplicitEuler() for fixed steps, or a larger tolerance if it is not "
        "smooth."
    )

    def __post_init__(self) -> None:
        self.order = self.pair.order

    def attempt(self, field: Slope, t: Tensor, h: Tensor, at: Walk) -> Try:
        """Return one step."""
        step = self.pair.tried(field, t, h, at.z, at.slope)
        error = self.tolerance.norm(step.error, at.z, step.after)
        between = partial(self.pair.between, at.z, step.slopes, h)
        return Try(step.after, step.slopes[-1], error, self._factor(error), between)

    def _factor(self, error: Numbers) -> Numbers:
        """Return the next step over the present one."""
        # 0.9 e^(-1/p) within [0.2, 10], and at least 1 after an error below 1.
        # Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
        with np.errstate(divide="ignore"):
            factor = self.safety * error ** (-1 / self.order)
        return np.maximum(factor.clip(self.shrink, self.grow), error < 1)


def lower_triangle(*rows: tuple[Number, ...]) -> tuple[tuple[Number, ...], ...]:
    """Return the rows of an explicit tableau, filled up with zeros."""
    return tuple(row + (Fraction(0),) * (len(rows) - len(row)) for row in rows)


def hermite(b: tuple[Number, ...]) -> tuple[tuple[Number, ...], ...]:
    """Return the dense weights of the cubic with the states and the slopes at both ends."""
    first, last = (1, -2, 1), (0, -1, 1)
    rows = [[0 * x, 3 * x, -2 * x] for x in b]
    rows[0] = [x + y for x, y in zip(rows[0], first, strict=True)]
    rows[-1] = [x + y for x, y in zip(rows[-1], last, strict=True)]
    return tuple(map(tuple, rows))


def _terms(row: tuple[Number, ...]) -> _Terms:
    """Return (index, coefficient) of the coefficients that are not 0."""
    return tuple((j, float(x)) for j, x in enumerate(row) if x != 0)


def _combined(z: Tensor, slopes: list[Tensor], row: _Terms, h: Tensor) -> Tensor:
    """Return z + h Σ_j a_j k_j, one fused operation per term."""
    for j, coefficient in row:
        z = torch.addcmul(z, slopes[j], h, value=coefficient)
    return z
