"""The names of methods that `odeint` knows, those of torchdiffeq among them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Annotated, Literal

from darboux.integrators import (
    AdaptiveRadau,
    BogackiShampine,
    DormandPrince,
    DormandPrince8,
    Euler,
    Fehlberg,
    Gauss,
    HeunEuler,
    ImplicitEuler,
    ImplicitMidpoint,
    ImplicitRungeKutta,
    ImprovedEuler,
    Integrator,
    Kutta3,
    Kutta4,
    RadauIIA,
    RungeKutta,
    StormerVerlet,
    SymplecticEuler,
    Tableau,
    Tsitouras,
)
from darboux.integrators._adaptive import Adaptive
from darboux.structure._arguments import Within

_HALF, _THIRD = Fraction(1, 2), Fraction(1, 3)

_GAMMA = 1 - 0.5**0.5


def _midpoint() -> Integrator:
    return RungeKutta(Tableau(((0, 0), (_HALF, 0)), (0, 1), (0, _HALF), "explicit midpoint"))


def _heun3() -> Integrator:
    rows = ((0, 0, 0), (_THIRD, 0, 0), (0, 2 * _THIRD, 0))
    weights = (Fraction(1, 4), 0, Fraction(3, 4))
    return RungeKutta(Tableau(rows, weights, (0, _THIRD, 2 * _THIRD), "Heun(3)"))


def _trapezoid() -> Integrator:
    rows = ((0, 0), (_HALF, _HALF))
    return ImplicitRungeKutta(Tableau(rows, rows[-1], (0, 1), "trapezoidal"))


def _sdirk2() -> Integrator:
    """Return the L-stable method of Alexander 1977."""
    rows = ((_GAMMA, 0), (1 - _GAMMA, _GAMMA))
    return ImplicitRungeKutta(Tableau(rows, rows[-1], (_GAMMA, 1), "SDIRK(2)"))


def _trbdf2() -> Integrator:
    """Return the trapezoidal rule and a BDF step of Bank et al. 1985, as Hosea and Shampine do."""
    outer = 8**0.5 / 8
    rows = ((0, 0, 0), (_GAMMA, _GAMMA, 0), (outer, outer, _GAMMA))
    return ImplicitRungeKutta(Tableau(rows, rows[-1], (0, 2 * _GAMMA, 1), "TR-BDF2"))


Name = Annotated[
    Literal[
        "adaptive_heun",
        "bosh3",
        "dopri5",
        "dopri8",
        "euler",
        "fehlberg2",
        "gl4",
        "gl6",
        "heun",
        "heun2",
        "heun3",
        "implicit_euler",
        "implicit_midpoint",
        "improved_euler",
        "leapfrog",
        "midpoint",
        "radau",
        "radauIIA3",
        "radauIIA5",
        "rk3",
        "rk4",
        "sdirk2",
        "symplectic_euler",
        "trapezoid",
        "trbdf2",
        "tsit5",
        "verlet",
    ],
    "Give one of the names, or an object such as Kutta4(). 'explicit_adams' and 'implicit_adams' "
    "of torchdiffeq have no equivalent: use 'dopri5' or 'rk4', or 'radau' if f is stiff; for its "
    "'scipy_solver' call scipy.integrate.solve_ivp.",
]

Longest = Annotated[float, Within("a positive finite number, in both directions of time", above=0)]

_METHODS: dict[str, Integrator] = {
    "adaptive_heun": HeunEuler(),
    "bosh3": BogackiShampine(),
    "dopri5": DormandPrince(),
    "dopri8": DormandPrince8(),
    "euler": Euler(),
    "fehlberg2": Fehlberg(),
    "gl4": Gauss(2),
    "gl6": Gauss(3),
    "heun": ImprovedEuler(),
    "heun2": ImprovedEuler(),
    "heun3": _heun3(),
    "implicit_euler": ImplicitEuler(),
    "implicit_midpoint": ImplicitMidpoint(),
    "improved_euler": ImprovedEuler(),
    "leapfrog": StormerVerlet(),
    "midpoint": _midpoint(),
    "radau": AdaptiveRadau(),
    "radauIIA3": RadauIIA(2),
    "radauIIA5": RadauIIA(3),
    "rk3": Kutta3(),
    "rk4": Kutta4(),
    "sdirk2": _sdirk2(),
    "symplectic_euler": SymplecticEuler(),
    "trapezoid": _trapezoid(),
    "trbdf2": _trbdf2(),
    "tsit5": Tsitouras(),
    "verlet": StormerVerlet(),
}


def as_method(
    method: Name | Integrator, *, rtol: float | None = None, atol: float | None = None
) -> Integrator:
    """Return the integrator that a name stands for, or the integrator that is given."""
    found = method if isinstance(method, Integrator) else _METHODS[method]
    if isinstance(method, str) and isinstance(found, Adaptive):
        relative = found.rtol if rtol is None else rtol
        return replace(found, rtol=relative, atol=found.atol if atol is None else atol)
    if rtol is not None or atol is not None:
        msg = (
            f"odeint: expected no rtol or atol with method {method!r}; got {rtol} and {atol}. Use "
            "'dopri5' or 'radau', or DormandPrince(rtol=..., atol=...); a fixed step is set by "
            "step_size."
        )
        raise ValueError(msg)
    return found


def check_step_size(step_size: float | None, method: Integrator) -> None:
    """Refuse a longest step for a method that picks its own."""
    if step_size is not None and isinstance(method, Adaptive):
        fixed = "RadauIIA(3)" if isinstance(method, AdaptiveRadau) else "'rk4'"
        msg = (
            f"odeint: expected no step_size with {method!r}, which picks its steps; got "
            f"{step_size}. Use rtol and atol, or a method with fixed steps such as {fixed}."
        )
        raise ValueError(msg)
