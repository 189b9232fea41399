"""The explicit tableaus with names: the slides' table and Ralston's methods.

Source: slides, table of Runge-Kutta methods; Kutta 1901; Ralston 1962; Dormand and Prince 1980.
"""

from __future__ import annotations

from fractions import Fraction

from darboux.integrators.tableau import Tableau

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
