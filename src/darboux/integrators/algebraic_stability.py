"""Algebraic stability, which makes a Runge-Kutta method B-stable."""

from __future__ import annotations

from darboux.integrators.stability_matrix import (
    is_nonnegative,
    rounding,
    smallest_eigenvalue,
    stability_matrix,
)
from darboux.integrators.tableau import Tableau


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
    matrix = stability_matrix(tableau)
    if tableau.rational:
        return is_nonnegative(matrix)
    return smallest_eigenvalue(matrix) >= -rounding(matrix)
