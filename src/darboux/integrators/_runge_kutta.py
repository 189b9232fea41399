"""Explicit Runge-Kutta methods."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from darboux.integrators._integrator import (
    Field,
    Integrator,
    StepSize,
    Time,
    add_scaled,
    fitting,
    step_size,
)
from darboux.integrators._order_conditions import order
from darboux.integrators._stability import contractivity_radius
from darboux.integrators._tableau import EPS, Number, Tableau, in_float64
from darboux.structure._arguments import checked

_Terms = tuple[tuple[int, float], ...]


class RungeKutta(Integrator):
    """One step of an explicit Runge-Kutta method.

    k_i = f(t + c_i h, z + h Σ_{j<i} a_ij k_j),  z' = z + h Σ_i b_i k_i.

    `order` is that of the tableau and `radius` its contractivity radius, or None where
    some b_i <= 0. Two methods with equal tableaus are equal. Zero coefficients cost
    nothing.

    Shape: z and f(t, z) are (batch, channels, *space), or any one shape; the step size is
    a number or a 0-dimensional tensor, and the dtype and device follow z.

    Source: section 2.2; slides, table of Runge-Kutta methods.

    Args:
        tableau: an explicit tableau.

    Raises:
        ValueError: if the tableau is implicit.

    Example:
        >>> import torch
        >>> from darboux.integrators import KUTTA4
        >>> step = RungeKutta(KUTTA4).step
        >>> step(lambda t, z: -z, 0.0, 0.5, torch.ones(1))
        tensor([0.6068])
    """

    tableau: Tableau
    equivariant = True

    @checked
    def __init__(self, tableau: Tableau) -> None:
        super().__init__()
        if not tableau.explicit:
            msg = (
                f"Expected an explicit tableau, a_ij = 0 for j >= i; got {tableau.name!r}, whose "
                "stages depend on themselves. Use ImplicitRungeKutta(tableau), or an explicit "
                "method, for instance Kutta4()."
            )
            raise ValueError(msg)
        self.tableau = tableau
        self.order = order(tableau)
        positive = min(tableau.b) > 0
        self.radius: float | None = contractivity_radius(tableau) if positive else None
        self._rows = tuple(_terms(row) for row in tableau.a)
        # weights of 0 stay: a stage that is no number must not get lost
        self._weights = tuple((j, float(x)) for j, x in enumerate(tableau.b))
        self._nodes_rows = tuple(zip(map(float, tableau.c), self._rows, strict=True))

    @property
    def stages(self) -> int:
        """The number of evaluations of the field in one step."""
        return len(self._rows)

    def step(self, field: Field, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return z(t + h) from z(t), one step of the method.

        Args:
            field: (t, z) -> f(t, z), of the shape of z.
            t: the time.
            h: the step size; a tensor has gradients, and may be negative to step back.
            state: z.

        Raises:
            ValueError: if h is a tensor with axes, or f(t, z) has another shape than z.
        """
        size: Any = step_size(h, state)
        eager = not (isinstance(size, Tensor) or torch.compiler.is_compiling())
        combine = _combine_eagerly if eager else _combine
        slopes: list[Tensor] = []
        for node, row in self._nodes_rows:
            stage = combine(state, slopes, row, size) if row else state
            slope = field(t + node * h if node else t, stage)
            alike = slope.shape == stage.shape and slope.dtype == stage.dtype  # spares a call
            slopes.append(slope if alike else fitting(slope, stage))
        return combine(state, slopes, self._weights, size)

    def lipschitz_factor(self, h: StepSize, lipschitz: StepSize) -> Tensor:
        """Return a Lipschitz constant of one step, for a field with constant L.

        1 + h Σ_i |b_i| l_i with l_i = L (1 + h Σ_j |a_ij| l_j); at most e^(hL) where all
        coefficients are nonnegative. A negative h counts as |h|.

        Source: section 2.1, equation (13).

        Args:
            h: the step size, a number or a 0-dimensional tensor.
            lipschitz: L >= 0, likewise.

        Returns:
            A float64 tensor, (), differentiable in h and L.
        """
        size = in_float64(h)
        size = torch.where(size < 0, -size, size)  # not abs: its derivative at 0 is 0
        bound = in_float64(lipschitz)
        stages: list[Tensor] = []
        for row in self._rows:
            stages.append(bound * (1 + size * _total(stages, row)))
        # every term is >= 0, so the relative rounding error is a few eps per operation
        growth = size * _total(stages, self._weights)
        return 1 + growth * (1 + 8 * (self.stages + 1) * EPS)

    def __eq__(self, other: object) -> bool:
        """Return whether the tableaus are equal."""
        return isinstance(other, RungeKutta) and self.tableau == other.tableau

    def __hash__(self) -> int:
        """Hash the tableau."""
        return hash(self.tableau)

    def __repr__(self) -> str:
        """Return name, order and stages."""
        name = f"{self.tableau.name!r}, " if type(self) is RungeKutta else ""
        return f"{type(self).__name__}({name}order={self.order}, stages={self.stages})"


def _terms(row: tuple[Number, ...]) -> _Terms:
    """Return (index, coefficient) of the coefficients that are not 0."""
    return tuple((j, float(x)) for j, x in enumerate(row) if x != 0)


def _combine(z: Tensor, slopes: list[Tensor], row: _Terms, h: StepSize) -> Tensor:
    """Return z + h Σ_j a_j k_j, one fused operation per term."""
    if isinstance(h, Tensor):
        for j, coefficient in row:
            z = torch.addcmul(z, slopes[j], h, value=coefficient)
    else:
        for j, coefficient in row:
            z = add_scaled(z, slopes[j], coefficient * h)
    return z


def _combine_eagerly(z: Tensor, slopes: list[Tensor], row: _Terms, h: float) -> Tensor:
    """Return what `_combine` does for a number h: these loops are most of a short step."""
    for j, coefficient in row:
        z = torch.add(z, slopes[j], alpha=coefficient * h)
    return z


def _total(values: list[Tensor], row: _Terms) -> Tensor | float:
    """Return Σ_j |a_j| l_j."""
    return sum(abs(coefficient) * values[j] for j, coefficient in row)
