"""The implicit methods by name, each a configured `ImplicitRungeKutta`."""

from __future__ import annotations

# ruff: noqa: N802  (a method's name is a proper name, and calls read like a class)
from fractions import Fraction

from darboux.integrators._generated import (
    gauss_tableau,
    lobatto_iiic_tableau,
    radau_ia_tableau,
    radau_iia_tableau,
)
from darboux.integrators._implicit_runge_kutta import ImplicitRungeKutta
from darboux.integrators._tableau import Tableau

_HALF = Fraction(1, 2)


def ImplicitEuler() -> ImplicitRungeKutta:
    """Return the implicit Euler method: order 1, one stage, B-stable.

    z' = z + h f(t + h, z').

    Source: section 2.2.1, equation (21).

    Example:
        >>> ImplicitEuler()
        ImplicitRungeKutta('implicit Euler', order=1, stages=1)
    """
    return ImplicitRungeKutta(Tableau(((1,),), (1,), (1,), "implicit Euler"))


def ImplicitMidpoint() -> ImplicitRungeKutta:
    """Return the implicit midpoint rule: order 2, one stage, B-stable, symplectic, symmetric.

    z' = z + h f(t + h/2, (z + z')/2).

    Source: sections 2.2.1 and 2.2.2; slides, stability pictures.

    Example:
        >>> ImplicitMidpoint()
        ImplicitRungeKutta('implicit midpoint', order=2, stages=1)
    """
    return ImplicitRungeKutta(Tableau(((_HALF,),), (1,), (_HALF,), "implicit midpoint"))


def Gauss(stages: int) -> ImplicitRungeKutta:
    """Return the Gauss method with s stages: order 2s, B-stable, symplectic, symmetric.

    Source: sections 2.2.1 and 2.2.2; Butcher 1964.

    Args:
        stages: s >= 1.

    Raises:
        ValueError: if s is no positive integer.

    Example:
        >>> Gauss(3)
        ImplicitRungeKutta('Gauss(3)', order=6, stages=3)
    """
    return ImplicitRungeKutta(gauss_tableau(stages), order=2 * stages)


def RadauIA(stages: int) -> ImplicitRungeKutta:
    """Return the Radau IA method with s stages: order 2s - 1, B-stable, R(∞) = 0.

    Source: section 2.2.1; Ehle 1969.

    Args:
        stages: s >= 2.

    Raises:
        ValueError: if s is no integer >= 2.

    Example:
        >>> RadauIA(2)
        ImplicitRungeKutta('Radau IA(2)', order=3, stages=2)
    """
    return ImplicitRungeKutta(radau_ia_tableau(stages), order=2 * stages - 1)


def RadauIIA(stages: int) -> ImplicitRungeKutta:
    """Return the Radau IIA method with s stages: order 2s - 1, B-stable, stiffly accurate.

    Source: section 2.2.1; Ehle 1969.

    Args:
        stages: s >= 1.

    Raises:
        ValueError: if s is no positive integer.

    Example:
        >>> RadauIIA(3)
        ImplicitRungeKutta('Radau IIA(3)', order=5, stages=3)
    """
    return ImplicitRungeKutta(radau_iia_tableau(stages), order=2 * stages - 1)


def LobattoIIIC(stages: int) -> ImplicitRungeKutta:
    """Return the Lobatto IIIC method with s stages: order 2s - 2, B-stable, stiffly accurate.

    Source: section 2.2.1; Chipman 1971.

    Args:
        stages: s >= 2.

    Raises:
        ValueError: if s is no integer >= 2.

    Example:
        >>> LobattoIIIC(3)
        ImplicitRungeKutta('Lobatto IIIC(3)', order=4, stages=3)
    """
    return ImplicitRungeKutta(lobatto_iiic_tableau(stages), order=2 * stages - 2)
