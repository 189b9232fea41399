"""Named implicit Runge-Kutta methods: name -> factory."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from darboux.integrators import (
    Gauss,
    ImplicitEuler,
    ImplicitMidpoint,
    ImplicitRungeKutta,
    LobattoIIIC,
    RadauIA,
    RadauIIA,
    Tableau,
)

_HALF = Fraction(1, 2)


def _trapezoidal() -> ImplicitRungeKutta:
    """Return the trapezoidal rule: A-stable, not B-stable, and A is singular."""
    return ImplicitRungeKutta(
        Tableau(((0, 0), (_HALF, _HALF)), (_HALF, _HALF), (0, 1), "trapezoidal")
    )


def _diagonal() -> ImplicitRungeKutta:
    """Return a diagonally implicit method of order 3, γ = (3 + √3)/6: B-stable, c_1 > c_2."""
    gamma = (3 + 3**0.5) / 6
    return ImplicitRungeKutta(
        Tableau(
            ((gamma, 0.0), (1 - 2 * gamma, gamma)), (0.5, 0.5), (gamma, 1 - gamma), "diagonal(2)"
        )
    )


def _simpson() -> ImplicitRungeKutta:
    """Return Lobatto IIIA(3): symmetric, of order 4, not B-stable; its first stage is explicit."""
    rows = ((0, 0, 0), (5, 8, -1), (4, 16, 4))
    a = tuple(tuple(Fraction(x, 24) for x in row) for row in rows)
    return ImplicitRungeKutta(Tableau(a, a[-1], (0, _HALF, 1), "Lobatto IIIA(3)"))


def _newton() -> ImplicitRungeKutta:
    """Return Gauss(2) with Newton's method from the first iteration on."""
    return ImplicitRungeKutta(Gauss(2).tableau, method="newton")


CASES: dict[str, Callable[[], ImplicitRungeKutta]] = {
    "implicit_euler": ImplicitEuler,
    "implicit_midpoint": ImplicitMidpoint,
    "gauss2": lambda: Gauss(2),
    "gauss3": lambda: Gauss(3),
    "gauss4": lambda: Gauss(4),
    "gauss6": lambda: Gauss(6),
    "radau_ia2": lambda: RadauIA(2),
    "radau_ia3": lambda: RadauIA(3),
    "radau_iia2": lambda: RadauIIA(2),
    "radau_iia3": lambda: RadauIIA(3),
    "radau_iia5": lambda: RadauIIA(5),
    "lobatto_iiic2": lambda: LobattoIIIC(2),
    "lobatto_iiic3": lambda: LobattoIIIC(3),
    "lobatto_iiic4": lambda: LobattoIIIC(4),
    "trapezoidal": _trapezoidal,
    "diagonal2": _diagonal,
    "lobatto_iiia3": _simpson,
    "gauss2_newton": _newton,
}
