"""The names of methods that `odeint` takes."""

from __future__ import annotations

from fractions import Fraction

from darboux.integrators import (
    DormandPrince,
    Euler,
    ImplicitEuler,
    ImplicitMidpoint,
    ImprovedEuler,
    Integrator,
    Kutta3,
    Kutta4,
    RadauIIA,
    RungeKutta,
    StormerVerlet,
    SymplecticEuler,
    Tableau,
)


def _midpoint() -> RungeKutta:
    half = Fraction(1, 2)
    return RungeKutta(Tableau(((0, 0), (half, 0)), (0, 1), (0, half), "explicit midpoint"))


_METHODS: dict[str, Integrator] = {
    "dopri5": DormandPrince(),
    "euler": Euler(),
    "heun": ImprovedEuler(),
    "implicit_euler": ImplicitEuler(),
    "implicit_midpoint": ImplicitMidpoint(),
    "improved_euler": ImprovedEuler(),
    "leapfrog": StormerVerlet(),
    "midpoint": _midpoint(),
    "radau": RadauIIA(3),
    "rk3": Kutta3(),
    "rk4": Kutta4(),
    "symplectic_euler": SymplecticEuler(),
    "verlet": StormerVerlet(),
}


def as_method(
    method: object, *, rtol: float | None = None, atol: float | None = None
) -> Integrator:
    """Return the integrator that a name stands for, or the integrator that is given.

    Args:
        method: an integrator, or its name.
        rtol: the relative tolerance of "dopri5"; that of `DormandPrince` if None.
        atol: the absolute one.

    Raises:
        TypeError: if it is neither an integrator nor a name.
        ValueError: if the name is unknown, or the method takes no tolerances.

    Example:
        >>> as_method("rk4")
        RungeKutta('Kutta(4)', order=4, stages=4)
    """
    if not isinstance(method, (Integrator, str)):
        msg = (
            f"odeint: expected a method by name or an integrator; got {type(method).__name__}. "
            "Use 'dopri5' or Kutta4()."
        )
        raise TypeError(msg)
    if method == "dopri5":
        usual = DormandPrince()
        relative = usual.rtol if rtol is None else rtol
        return DormandPrince(rtol=relative, atol=usual.atol if atol is None else atol)
    if rtol is not None or atol is not None:
        msg = (
            f"odeint: expected no rtol or atol with method {method!r}; got {rtol} and {atol}. Use "
            "'dopri5', or DormandPrince(rtol=..., atol=...); a fixed step is set by step_size."
        )
        raise ValueError(msg)
    if isinstance(method, Integrator):
        return method
    if method not in _METHODS:
        msg = (
            f"odeint: expected a method among {', '.join(_METHODS)}; got {method!r}. Use one of "
            "them, or an object of darboux.integrators."
        )
        raise ValueError(msg)
    return _METHODS[method]
