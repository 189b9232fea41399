"""The contractivity radius: how far a Runge-Kutta method contracts with a cocoercive field."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from darboux.integrators.algebraic_stability import is_algebraically_stable
from darboux.integrators.stability_matrix import (
    is_nonnegative,
    rounding,
    smallest_eigenvalue,
    stability_matrix,
)
from darboux.integrators.tableau import EPS, Number, Tableau


def contractivity_radius(tableau: Tableau) -> float:
    """Return r such that the method contracts for all steps 0 <= h <= -2 ν̄ r.

    For ⟨Δf, Δz⟩ <= ν̄ ‖Δf‖², ν̄ < 0, the identity of `stability_matrix` gives
    ‖Δz'‖² <= ‖Δz‖² - Σ_ij (m_ij - 2 (ν̄/h) b_i δ_ij) ⟨W_i, W_j⟩, and the sum is >= 0 if
    M + B/r >= 0. So r = -1/λ, λ the smallest eigenvalue of B^(-1/2) M B^(-1/2), and
    infinity where M >= 0. For methods with distinct nodes no larger r will do, even for
    linear fields λ(t) z; for autonomous linear fields alone a larger one may
    (Kutta(4): 1.39).

    Euler 1, improved Euler 1, Kutta(3) 1/2, Kutta(4) 1. The float that is returned is never
    above r: for rational tableaus it is proven by exact elimination of M + B/r.

    Source: section 2.2.1; Dahlquist and Jeltsch 1979 and 2006, generalised disks of
    contractivity.

    Args:
        tableau: the coefficients, all b_i > 0.

    Raises:
        ValueError: if some b_i <= 0, because then no r > 0 exists in general.

    Example:
        >>> from darboux.integrators import KUTTA3
        >>> contractivity_radius(KUTTA3)
        0.5
    """
    _check_weights(tableau)
    if is_algebraically_stable(tableau):
        return math.inf
    matrix = stability_matrix(tableau)
    scaled = _scaled(matrix, tableau.b)
    radius = -1 / smallest_eigenvalue(scaled)
    if not tableau.rational:
        return radius / (1 + radius * rounding(scaled))
    return next(r for r in _candidates(radius) if _contracts(matrix, tableau.b, r))


def _check_weights(tableau: Tableau) -> None:
    for i, weight in enumerate(tableau.b):
        if weight <= 0:
            msg = (
                f"Expected all weights b_i > 0; got b[{i}] = {weight} in {tableau.name!r}. A "
                "stage of weight <= 0 can expand at every step size, so no contractivity radius "
                "exists. Use a method with positive weights, for instance Kutta4."
            )
            raise ValueError(msg)


def _scaled(matrix: list[list[Number]], b: tuple[Number, ...]) -> list[list[float]]:
    """Return B^(-1/2) M B^(-1/2)."""
    root = [math.sqrt(weight) for weight in b]
    return [
        [float(x) / (root[i] * root[j]) for j, x in enumerate(row)] for i, row in enumerate(matrix)
    ]


def _candidates(radius: float) -> Iterator[float]:
    """Yield a simple fraction close by, then numbers that decrease from the radius."""
    simple = float(Fraction(radius).limit_denominator(1000))
    if abs(simple - radius) <= 1e-12 * radius:
        yield simple
    ulps = 0
    while True:
        yield radius * (1 - ulps * EPS)
        ulps = 2 * ulps + 1


def _contracts(matrix: list[list[Number]], b: tuple[Number, ...], radius: float) -> bool:
    """Return whether M + B/r >= 0, exactly."""
    inverse = 1 / Fraction(radius)
    return is_nonnegative(
        [
            [x + (b[i] * inverse if i == j else 0) for j, x in enumerate(row)]
            for i, row in enumerate(matrix)
        ]
    )
