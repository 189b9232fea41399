"""The explicit methods by name, each a configured `RungeKutta`."""
# ruff: noqa: N802  (a method's name is a proper name, and calls read like a class)

from __future__ import annotations

from darboux.integrators.runge_kutta import RungeKutta
from darboux.integrators.tableaus import (
    EULER,
    IMPROVED_EULER,
    KUTTA3,
    KUTTA4,
    RALSTON2,
    RALSTON3,
)


def Euler() -> RungeKutta:
    """Return Euler's method: order 1, one stage, contractivity radius 1.

    z' = z + h f(t, z).

    Source: section 1.2; slides, table of Runge-Kutta methods.

    Example:
        >>> Euler()
        RungeKutta('Euler', order=1, stages=1)
    """
    return RungeKutta(EULER)


def ImprovedEuler() -> RungeKutta:
    """Return the improved Euler (Heun's second-order) method: contractivity radius 1.

    z' = z + h/2 (k_1 + k_2), k_2 = f(t + h, z + h k_1).

    Source: slides, table of Runge-Kutta methods.

    Example:
        >>> ImprovedEuler()
        RungeKutta('improved Euler', order=2, stages=2)
    """
    return RungeKutta(IMPROVED_EULER)


def Kutta3() -> RungeKutta:
    """Return Kutta's third-order method: contractivity radius 1/2.

    Source: slides, table of Runge-Kutta methods.

    Example:
        >>> Kutta3()
        RungeKutta('Kutta(3)', order=3, stages=3)
    """
    return RungeKutta(KUTTA3)


def Kutta4() -> RungeKutta:
    """Return Kutta's classical fourth-order method: contractivity radius 1.

    Source: section 2.2.1; slides, table of Runge-Kutta methods.

    Example:
        >>> Kutta4()
        RungeKutta('Kutta(4)', order=4, stages=4)
    """
    return RungeKutta(KUTTA4)


def Ralston2() -> RungeKutta:
    """Return Ralston's second-order method, of least error bound: contractivity radius 0.79.

    Source: Ralston 1962, Runge-Kutta methods with minimum error bounds.

    Example:
        >>> Ralston2()
        RungeKutta('Ralston(2)', order=2, stages=2)
    """
    return RungeKutta(RALSTON2)


def Ralston3() -> RungeKutta:
    """Return Ralston's third-order method, of least error bound: contractivity radius 0.89.

    Source: Ralston 1962, Runge-Kutta methods with minimum error bounds.

    Example:
        >>> Ralston3()
        RungeKutta('Ralston(3)', order=3, stages=3)
    """
    return RungeKutta(RALSTON3)
