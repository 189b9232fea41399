"""Algebraic stability and contractivity radius, from the matrix M = BA + AᵀB - bbᵀ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import torch

from darboux.integrators._tableau import EPS, Number, Tableau
from darboux.structure._arguments import checked

_Matrix = Sequence[Sequence[Number]]


def _stability_matrix(tableau: Tableau) -> list[list[Number]]:
    """Return M with m_ij = b_i a_ij + b_j a_ji - b_i b_j, exact where the tableau is rational."""
    # For two solutions with stage differences D_i and field differences hΔf_i = W_i,
    # ‖Δz'‖² = ‖Δz‖² + 2 Σ_i b_i ⟨D_i, W_i⟩ - Σ_ij m_ij ⟨W_i, W_j⟩.
    # Burrage and Butcher 1979.
    a, b = tableau.a, tableau.b
    stages = range(tableau.stages)
    return [[b[i] * a[i][j] + b[j] * a[j][i] - b[i] * b[j] for j in stages] for i in stages]


def _is_nonnegative(matrix: _Matrix) -> bool:
    """Return whether a symmetric matrix of fractions is positive semidefinite, exactly."""
    # Elimination: a pivot must be positive, or 0 with a row of zeros.
    if not matrix:
        return True
    (pivot, *rest), *below = matrix
    if pivot == 0:
        return not any(rest) and _is_nonnegative([row[1:] for row in below])
    schur = [[x - row[0] * y / pivot for x, y in zip(row[1:], rest, strict=True)] for row in below]
    return pivot > 0 and _is_nonnegative(schur)


def _smallest_eigenvalue(matrix: _Matrix) -> float:
    """Return the smallest eigenvalue of a symmetric matrix, up to rounding."""
    return float(torch.linalg.eigvalsh(_float64(matrix))[0])


def _rounding(matrix: _Matrix) -> float:
    """Return what rounding may change in an eigenvalue: 16 s² eps (1 + max |m_ij|)."""
    return 16 * len(matrix) ** 2 * EPS * (1 + float(_float64(matrix).abs().max()))


def _float64(matrix: _Matrix) -> torch.Tensor:
    rows = [[float(x) for x in row] for row in matrix]
    return torch.tensor(rows, dtype=torch.float64, device="cpu")


@checked
def is_algebraically_stable(tableau: Tableau) -> bool:
    """Return whether all b_i >= 0 and M = BA + AᵀB - bbᵀ is positive semidefinite.

    Such a method contracts whenever the field has ν <= 0 in (14), for every step size.
    Decided exactly where the tableau is rational, up to rounding elsewhere.

    Source: section 2.2.1; Burrage and Butcher 1979; Crouzeix 1979.

    Args:
        tableau: the coefficients.

    Example:
        >>> from darboux.integrators import EULER
        >>> is_algebraically_stable(EULER)
        False
    """
    if any(weight < 0 for weight in tableau.b):
        return False
    matrix = _stability_matrix(tableau)
    if tableau.rational:
        return _is_nonnegative(matrix)
    return _smallest_eigenvalue(matrix) >= -_rounding(matrix)


@checked
def contractivity_radius(tableau: Tableau) -> float:
    """Return r such that the method contracts for all steps 0 <= h <= -2 ν̄ r.

    With M = BA + AᵀB - bbᵀ and the differences W_i of h f at the stages of two solutions,
    ⟨Δf, Δz⟩ <= ν̄ ‖Δf‖², ν̄ < 0, gives
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
    matrix = _stability_matrix(tableau)
    scaled = _scaled(matrix, tableau.b)
    radius = -1 / _smallest_eigenvalue(scaled)
    if not tableau.rational:
        return radius / (1 + radius * _rounding(scaled))
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
    return _is_nonnegative(
        [
            [x + (b[i] * inverse if i == j else 0) for j, x in enumerate(row)]
            for i, row in enumerate(matrix)
        ]
    )
