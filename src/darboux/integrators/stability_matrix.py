"""The matrix M = BA + AᵀB - bbᵀ, and how its sign is decided."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from darboux.integrators.tableau import EPS, Number, Tableau

Matrix = Sequence[Sequence[Number]]


def stability_matrix(tableau: Tableau) -> list[list[Number]]:
    """Return M with m_ij = b_i a_ij + b_j a_ji - b_i b_j, exact where the tableau is rational.

    For two solutions with stage differences D_i and field differences hΔf_i = W_i,
    ‖Δz'‖² = ‖Δz‖² + 2 Σ_i b_i ⟨D_i, W_i⟩ - Σ_ij m_ij ⟨W_i, W_j⟩.

    Source: section 2.2.1; Burrage and Butcher 1979.

    Args:
        tableau: the coefficients.

    Example:
        >>> from darboux.integrators import EULER
        >>> stability_matrix(EULER)
        [[Fraction(-1, 1)]]
    """
    a, b = tableau.a, tableau.b
    stages = range(tableau.stages)
    return [[b[i] * a[i][j] + b[j] * a[j][i] - b[i] * b[j] for j in stages] for i in stages]


def is_nonnegative(matrix: Matrix) -> bool:
    """Return whether a symmetric matrix of fractions is positive semidefinite, exactly.

    Elimination: a pivot must be positive, or 0 with a row of zeros.

    Args:
        matrix: symmetric, rows of fractions.

    Example:
        >>> from fractions import Fraction
        >>> is_nonnegative([[Fraction(1), Fraction(1)], [Fraction(1), Fraction(1)]])
        True
    """
    if not matrix:
        return True
    (pivot, *rest), *below = matrix
    if pivot == 0:
        return not any(rest) and is_nonnegative([row[1:] for row in below])
    schur = [[x - row[0] * y / pivot for x, y in zip(row[1:], rest, strict=True)] for row in below]
    return pivot > 0 and is_nonnegative(schur)


def smallest_eigenvalue(matrix: Matrix) -> float:
    """Return the smallest eigenvalue of a symmetric matrix, up to rounding.

    Args:
        matrix: symmetric, rows of numbers.

    Example:
        >>> smallest_eigenvalue([[2.0, 0.0], [0.0, -1.0]])
        -1.0
    """
    return float(torch.linalg.eigvalsh(_float64(matrix))[0])


def rounding(matrix: Matrix) -> float:
    """Return what rounding may change in an eigenvalue: 16 s² eps (1 + max |m_ij|).

    Args:
        matrix: s rows of s numbers.

    Example:
        >>> rounding([[1.0]]) < 1e-14
        True
    """
    return 16 * len(matrix) ** 2 * EPS * (1 + float(_float64(matrix).abs().max()))


def _float64(matrix: Matrix) -> torch.Tensor:
    rows = [[float(x) for x in row] for row in matrix]
    return torch.tensor(rows, dtype=torch.float64)
