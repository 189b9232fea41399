"""The implicit methods by name."""

from __future__ import annotations

from fractions import Fraction
from typing import final

from darboux.integrators._generated import (
    Stages,
    TwoStages,
    gauss_tableau,
    lobatto_iiic_tableau,
    radau_ia_tableau,
    radau_iia_tableau,
)
from darboux.integrators._implicit_runge_kutta import ImplicitRungeKutta
from darboux.integrators._tableau import Tableau
from darboux.structure._arguments import checked

_HALF = Fraction(1, 2)


@final
class ImplicitEuler(ImplicitRungeKutta):
    """The implicit Euler method: order 1, one stage, B-stable.

    z' = z + h f(t + h, z').

    Source: section 2.2.1, equation (21).

    Example:
        >>> ImplicitEuler()
        ImplicitEuler(order=1, stages=1)
    """

    def __init__(self) -> None:
        super().__init__(Tableau(((1,),), (1,), (1,), "implicit Euler"))


@final
class ImplicitMidpoint(ImplicitRungeKutta):
    """The implicit midpoint rule: order 2, one stage, B-stable, symplectic, symmetric.

    z' = z + h f(t + h/2, (z + z')/2).

    Source: sections 2.2.1 and 2.2.2; slides, stability pictures.

    Example:
        >>> ImplicitMidpoint()
        ImplicitMidpoint(order=2, stages=1)
    """

    def __init__(self) -> None:
        super().__init__(Tableau(((_HALF,),), (1,), (_HALF,), "implicit midpoint"))


@final
class Gauss(ImplicitRungeKutta):
    """The Gauss method with s stages: order 2s, B-stable, symplectic, symmetric.

    Source: sections 2.2.1 and 2.2.2; Butcher 1964.

    Args:
        stages: s, 1 to 20.

    Raises:
        TypeError: if s is no integer.
        ValueError: if it is less than 1, or more than 20.

    Example:
        >>> Gauss(3)
        Gauss(order=6, stages=3)
    """

    @checked
    def __init__(self, stages: Stages) -> None:
        super().__init__(gauss_tableau(stages), order=2 * stages)


@final
class RadauIA(ImplicitRungeKutta):
    """The Radau IA method with s stages: order 2s - 1, B-stable, R(∞) = 0.

    Source: section 2.2.1; Ehle 1969.

    Args:
        stages: s, 2 to 20.

    Raises:
        TypeError: if s is no integer.
        ValueError: if it is less than 2, or more than 20.

    Example:
        >>> RadauIA(2)
        RadauIA(order=3, stages=2)
    """

    @checked
    def __init__(self, stages: TwoStages) -> None:
        super().__init__(radau_ia_tableau(stages), order=2 * stages - 1)


@final
class RadauIIA(ImplicitRungeKutta):
    """The Radau IIA method with s stages: order 2s - 1, B-stable, stiffly accurate.

    Source: section 2.2.1; Ehle 1969.

    Args:
        stages: s, 1 to 20.

    Raises:
        TypeError: if s is no integer.
        ValueError: if it is less than 1, or more than 20.

    Example:
        >>> RadauIIA(3)
        RadauIIA(order=5, stages=3)
    """

    @checked
    def __init__(self, stages: Stages) -> None:
        super().__init__(radau_iia_tableau(stages), order=2 * stages - 1)


@final
class LobattoIIIC(ImplicitRungeKutta):
    """The Lobatto IIIC method with s stages: order 2s - 2, B-stable, stiffly accurate.

    Source: section 2.2.1; Chipman 1971.

    Args:
        stages: s, 2 to 20.

    Raises:
        TypeError: if s is no integer.
        ValueError: if it is less than 2, or more than 20.

    Example:
        >>> LobattoIIIC(3)
        LobattoIIIC(order=4, stages=3)
    """

    @checked
    def __init__(self, stages: TwoStages) -> None:
        super().__init__(lobatto_iiic_tableau(stages), order=2 * stages - 2)
