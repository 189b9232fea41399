"""The integrators that keep phase space, volume or pairs of states, awkward ones among them."""

from __future__ import annotations

from collections.abc import Callable

from darboux.integrators import (
    Composition,
    CompositionCoefficients,
    Integrator,
    LeapfrogMidpoint,
    ReversibleHeun,
    Splitting,
    StormerVerlet,
    SymplecticEuler,
)


def _own_coefficients() -> Composition:
    """Return Suzuki's composition with two more steps, of size 0."""
    outer = 1 / (4 - 4 ** (1 / 3))
    weights = (outer, outer, 0.0, 1 - 4 * outer, 0.0, outer, outer)
    return Composition(4, scheme=CompositionCoefficients(weights, "with steps of size 0"))


CASES: dict[str, Callable[[], Integrator]] = {
    "symplectic_euler": SymplecticEuler,
    "symplectic_euler_kick": lambda: SymplecticEuler(first="kick"),
    "stormer_verlet": StormerVerlet,
    "stormer_verlet_drift": lambda: StormerVerlet(first="drift"),
    "composition4": lambda: Composition(4),
    "composition4_yoshida": lambda: Composition(4, scheme="yoshida"),
    "composition4_drift": lambda: Composition(4, base=StormerVerlet(first="drift")),
    "composition4_own": _own_coefficients,
    "composition4_splitting": lambda: Composition(4, base=Splitting()),
    "composition6": lambda: Composition(6),
    "composition6_yoshida": lambda: Composition(6, scheme="yoshida"),
    "composition8": lambda: Composition(8),
    "composition8_suzuki_umeno": lambda: Composition(8, scheme="suzuki-umeno"),
    "composition8_yoshida": lambda: Composition(8, scheme="yoshida"),
    "splitting": Splitting,
    "splitting_lie": lambda: Splitting(symmetric=False),
    "leapfrog_midpoint": LeapfrogMidpoint,
    "reversible_heun": ReversibleHeun,
}
