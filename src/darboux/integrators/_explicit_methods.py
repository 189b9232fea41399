"""The explicit methods by name, with their tableaus."""

from __future__ import annotations

from fractions import Fraction
from typing import final

from darboux.integrators._runge_kutta import RungeKutta
from darboux.integrators._tableau import Tableau

EULER = Tableau(a=((0,),), b=(1,), c=(0,), name="Euler")
"""Coefficients of `Euler`."""

IMPROVED_EULER = Tableau(
    a=((0, 0), (1, 0)),
    b=(Fraction(1, 2), Fraction(1, 2)),
    c=(0, 1),
    name="improved Euler",
)
"""Coefficients of `ImprovedEuler`."""

KUTTA3 = Tableau(
    a=((0, 0, 0), (Fraction(1, 2), 0, 0), (-1, 2, 0)),
    b=(Fraction(1, 6), Fraction(2, 3), Fraction(1, 6)),
    c=(0, Fraction(1, 2), 1),
    name="Kutta(3)",
)
"""Coefficients of `Kutta3`."""

KUTTA4 = Tableau(
    a=((0, 0, 0, 0), (Fraction(1, 2), 0, 0, 0), (0, Fraction(1, 2), 0, 0), (0, 0, 1, 0)),
    b=(Fraction(1, 6), Fraction(1, 3), Fraction(1, 3), Fraction(1, 6)),
    c=(0, Fraction(1, 2), Fraction(1, 2), 1),
    name="Kutta(4)",
)
"""Coefficients of `Kutta4`."""

RALSTON2 = Tableau(
    a=((0, 0), (Fraction(2, 3), 0)),
    b=(Fraction(1, 4), Fraction(3, 4)),
    c=(0, Fraction(2, 3)),
    name="Ralston(2)",
)
"""Coefficients of `Ralston2`."""

RALSTON3 = Tableau(
    a=((0, 0, 0), (Fraction(1, 2), 0, 0), (0, Fraction(3, 4), 0)),
    b=(Fraction(2, 9), Fraction(1, 3), Fraction(4, 9)),
    c=(0, Fraction(1, 2), Fraction(3, 4)),
    name="Ralston(3)",
)
"""Coefficients of `Ralston3`."""


@final
class Euler(RungeKutta):
    """Euler's method: order 1, one stage, contractivity radius 1.

    z' = z + h f(t, z).

    Source: section 1.2; slides, table of Runge-Kutta methods.

    Example:
        >>> Euler()
        Euler(order=1, stages=1)
    """

    def __init__(self) -> None:
        super().__init__(EULER)


@final
class ImprovedEuler(RungeKutta):
    """The improved Euler (Heun's second-order) method: contractivity radius 1.

    z' = z + h/2 (k_1 + k_2), k_2 = f(t + h, z + h k_1).

    Source: slides, table of Runge-Kutta methods.

    Example:
        >>> ImprovedEuler()
        ImprovedEuler(order=2, stages=2)
    """

    def __init__(self) -> None:
        super().__init__(IMPROVED_EULER)


@final
class Kutta3(RungeKutta):
    """Kutta's third-order method: contractivity radius 1/2.

    Source: slides, table of Runge-Kutta methods.

    Example:
        >>> Kutta3()
        Kutta3(order=3, stages=3)
    """

    def __init__(self) -> None:
        super().__init__(KUTTA3)


@final
class Kutta4(RungeKutta):
    """Kutta's classical fourth-order method: contractivity radius 1.

    Source: section 2.2.1; slides, table of Runge-Kutta methods.

    Example:
        >>> Kutta4()
        Kutta4(order=4, stages=4)
    """

    def __init__(self) -> None:
        super().__init__(KUTTA4)


@final
class Ralston2(RungeKutta):
    """Ralston's second-order method, of least error bound: contractivity radius 0.79.

    Source: Ralston 1962, Runge-Kutta methods with minimum error bounds.

    Example:
        >>> Ralston2()
        Ralston2(order=2, stages=2)
    """

    def __init__(self) -> None:
        super().__init__(RALSTON2)


@final
class Ralston3(RungeKutta):
    """Ralston's third-order method, of least error bound: contractivity radius 0.89.

    Source: Ralston 1962, Runge-Kutta methods with minimum error bounds.

    Example:
        >>> Ralston3()
        Ralston3(order=3, stages=3)
    """

    def __init__(self) -> None:
        super().__init__(RALSTON3)
