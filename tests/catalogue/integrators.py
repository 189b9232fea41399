"""The integrators that the conformance tests run over, awkward ones among them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from darboux.integrators import (
    Euler,
    ImprovedEuler,
    Integrator,
    Kutta3,
    Kutta4,
    PostActivation,
    Ralston2,
    Ralston3,
    RungeKutta,
    Tableau,
)


def _heun3() -> RungeKutta:
    """Return Heun's third-order method: b_2 = 0, so it has no contractivity radius."""
    third = Fraction(1, 3)
    return RungeKutta(
        Tableau(
            a=((0, 0, 0), (third, 0, 0), (0, 2 * third, 0)),
            b=(Fraction(1, 4), 0, Fraction(3, 4)),
            c=(0, third, 2 * third),
            name="Heun(3)",
        )
    )


def _ssp3() -> RungeKutta:
    """Return Shu and Osher's third-order method, whose nodes are not sorted."""
    return RungeKutta(
        Tableau(
            a=((0, 0, 0), (1, 0, 0), (Fraction(1, 4), Fraction(1, 4), 0)),
            b=(Fraction(1, 6), Fraction(1, 6), Fraction(2, 3)),
            c=(0, 1, Fraction(1, 2)),
            name="SSP(3)",
        )
    )


def _irrational() -> RungeKutta:
    """Return a second-order method with floats: c_2 = 1/√2."""
    node = 0.5**0.5
    return RungeKutta(
        Tableau(
            a=((0, 0), (node, 0)), b=(1 - 0.5 / node, 0.5 / node), c=(0, node), name="irrational"
        )
    )


CASES: dict[str, Callable[[], Integrator]] = {
    "euler": Euler,
    "improved_euler": ImprovedEuler,
    "kutta3": Kutta3,
    "kutta4": Kutta4,
    "ralston2": Ralston2,
    "ralston3": Ralston3,
    "heun3": _heun3,
    "ssp3": _ssp3,
    "irrational": _irrational,
    "post_activation": lambda: PostActivation(Euler()),
}
