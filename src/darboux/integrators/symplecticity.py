"""Symplecticity of Runge-Kutta methods."""

from __future__ import annotations

from darboux.integrators.tableau import Tableau, vanishes


def is_symplectic(tableau: Tableau) -> bool:
    """Return whether b_i a_ij + b_j a_ji = b_i b_j for all i and j.

    Such a method preserves quadratic first integrals and, for Hamiltonian fields, the
    symplectic form; no explicit method is one. Decided exactly where the tableau is
    rational, up to rounding elsewhere. The condition is also necessary for methods that
    cannot be reduced to fewer stages.

    Source: section 2.2.2; Sanz-Serna 1988; Cooper 1987.

    Args:
        tableau: the coefficients.

    Example:
        >>> from darboux.integrators import KUTTA4
        >>> is_symplectic(KUTTA4)
        False
    """
    a, b = tableau.a, tableau.b
    return all(
        vanishes([b[i] * a[i][j], b[j] * a[j][i], -b[i] * b[j]])
        for i in range(tableau.stages)
        for j in range(i + 1)
    )
