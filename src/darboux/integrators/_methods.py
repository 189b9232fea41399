"""The explicit methods by name, each a configured `RungeKutta`."""

from __future__ import annotations

from fractions import Fraction

# ruff: noqa: N802  (a method's name is a proper name, and calls read like a class)
from darboux.integrators._runge_kutta import RungeKutta
from darboux.integrators._tableau import Tableau


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


EULER = Tableau(a=((0,),), b=(1,), c=(0,), name="Euler")

IMPROVED_EULER = Tableau(
    a=((0, 0), (1, 0)),
    b=(Fraction(1, 2), Fraction(1, 2)),
    c=(0, 1),
    name="improved Euler",
)

KUTTA3 = Tableau(
    a=((0, 0, 0), (Fraction(1, 2), 0, 0), (-1, 2, 0)),
    b=(Fraction(1, 6), Fraction(2, 3), Fraction(1, 6)),
    c=(0, Fraction(1, 2), 1),
    name="Kutta(3)",
)

KUTTA4 = Tableau(
    a=((0, 0, 0, 0), (Fraction(1, 2), 0, 0, 0), (0, Fraction(1, 2), 0, 0), (0, 0, 1, 0)),
    b=(Fraction(1, 6), Fraction(1, 3), Fraction(1, 3), Fraction(1, 6)),
    c=(0, Fraction(1, 2), Fraction(1, 2), 1),
    name="Kutta(4)",
)

RALSTON2 = Tableau(
    a=((0, 0), (Fraction(2, 3), 0)),
    b=(Fraction(1, 4), Fraction(3, 4)),
    c=(0, Fraction(2, 3)),
    name="Ralston(2)",
)

RALSTON3 = Tableau(
    a=((0, 0, 0), (Fraction(1, 2), 0, 0), (0, Fraction(3, 4), 0)),
    b=(Fraction(2, 9), Fraction(1, 3), Fraction(4, 9)),
    c=(0, Fraction(1, 2), Fraction(3, 4)),
    name="Ralston(3)",
)

_DORMAND_PRINCE = (
    (0, 0, 0, 0, 0, 0, 0),
    (Fraction(1, 5), 0, 0, 0, 0, 0, 0),
    (Fraction(3, 40), Fraction(9, 40), 0, 0, 0, 0, 0),
    (Fraction(44, 45), Fraction(-56, 15), Fraction(32, 9), 0, 0, 0, 0),
    (
        Fraction(19372, 6561),
        Fraction(-25360, 2187),
        Fraction(64448, 6561),
        Fraction(-212, 729),
        0,
        0,
        0,
    ),
    (
        Fraction(9017, 3168),
        Fraction(-355, 33),
        Fraction(46732, 5247),
        Fraction(49, 176),
        Fraction(-5103, 18656),
        0,
        0,
    ),
    (
        Fraction(35, 384),
        0,
        Fraction(500, 1113),
        Fraction(125, 192),
        Fraction(-2187, 6784),
        Fraction(11, 84),
        0,
    ),
)

# The last stage is the result, so that its slope is the first one of the next step.
DORMAND_PRINCE = Tableau(
    a=_DORMAND_PRINCE,
    b=_DORMAND_PRINCE[-1],
    c=(0, Fraction(1, 5), Fraction(3, 10), Fraction(4, 5), Fraction(8, 9), 1, 1),
    name="Dormand-Prince",
)

# Weights of fourth order for the stages of DORMAND_PRINCE.
DORMAND_PRINCE_4 = (
    Fraction(5179, 57600),
    Fraction(0),
    Fraction(7571, 16695),
    Fraction(393, 640),
    Fraction(-92097, 339200),
    Fraction(187, 2100),
    Fraction(1, 40),
)
