"""The explicit tableaus with names: the slides' table and Ralston's methods.

Source: slides, table of Runge-Kutta methods; Kutta 1901; Ralston 1962.
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
