"""Symmetry of Runge-Kutta methods: a step back undoes a step."""

from __future__ import annotations

from darboux.integrators.tableau import Tableau, vanishes


def is_symmetric(tableau: Tableau) -> bool:
    """Return whether a_{s+1-i, s+1-j} + a_ij = b_j for all i and j, and b_{s+1-j} = b_j.

    A step by -h from t + h then undoes the step by h from t. Decided exactly where the
    tableau is rational, up to rounding elsewhere. The stages must stand in an order in which
    reflection reverses it, such as that of ascending nodes.

    Source: section 2.2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, V.2.

    Args:
        tableau: the coefficients.

    Example:
        >>> from darboux.integrators import EULER
        >>> is_symmetric(EULER)
        False
    """
    a, b, last = tableau.a, tableau.b, tableau.stages - 1
    stages = range(tableau.stages)
    palindrome = all(vanishes([b[j], -b[last - j]]) for j in stages)
    return palindrome and all(
        vanishes([a[i][j], a[last - i][last - j], -b[j]]) for i in stages for j in stages
    )
