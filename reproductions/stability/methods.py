"""The methods of the stability pictures, each with its stability function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from darboux import integrators
from darboux.integrators import Integrator


@dataclass(frozen=True)
class Method:
    """A method and what it does to a linear field: z' = R(hA) z, R = P/Q.

    The coefficients of P and Q are written down here, not read off a tableau: they are what
    the method is compared with.

    Source: section 2.2; slides, stability and generalisation.

    Example:
        >>> round(abs(METHODS[0].factor(0.5j)), 6)  # √(1 + h²) on a circle
        1.118034
    """

    name: str  # as legends show it
    make: Callable[[], Integrator]  # builds the integrator
    numerator: tuple[Fraction, ...]  # coefficients of P, the constant first
    denominator: tuple[Fraction, ...]  # coefficients of Q

    def factor(self, x: complex) -> complex:
        """Return R(x)."""
        above = sum(float(c) * x**i for i, c in enumerate(self.numerator))
        below = sum(float(c) * x**i for i, c in enumerate(self.denominator))
        return above / below

    def matrix(self, x: Tensor) -> Tensor:
        """Return R(X) of a square matrix."""
        above, below = _polynomial(self.numerator, x), _polynomial(self.denominator, x)
        return torch.linalg.solve(below, above)


def _polynomial(coefficients: tuple[Fraction, ...], x: Tensor) -> Tensor:
    """Return Σ_i c_i Xⁱ."""
    total = torch.zeros_like(x)
    for i, c in enumerate(coefficients):
        total = total + float(c) * torch.linalg.matrix_power(x, i)
    return total


def _exponential(order: int) -> tuple[Fraction, ...]:
    """Return the coefficients 1/i! of the Taylor polynomial of e^x."""
    found = [Fraction(1)]
    for i in range(1, order + 1):
        found.append(found[-1] / i)
    return tuple(found)


_ONE = (Fraction(1),)
_HALF = Fraction(1, 2)

METHODS = (
    Method("forward Euler", integrators.Euler, _exponential(1), _ONE),
    Method("improved Euler", integrators.ImprovedEuler, _exponential(2), _ONE),
    Method("Kutta(3)", integrators.Kutta3, _exponential(3), _ONE),
    Method("Kutta(4)", integrators.Kutta4, _exponential(4), _ONE),
    Method("implicit Euler", integrators.ImplicitEuler, _ONE, (Fraction(1), Fraction(-1))),
    Method(
        "implicit midpoint",
        integrators.ImplicitMidpoint,
        (Fraction(1), _HALF),
        (Fraction(1), -_HALF),
    ),
)
