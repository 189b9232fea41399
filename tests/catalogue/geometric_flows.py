"""Named flows that keep a geometric structure: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from darboux.activations import LeakyReLU, ReLU, Tanh
from darboux.compose import Lifted
from darboux.fields import (
    CoupledField,
    DivergenceFreeField,
    GradientField,
    HamiltonianField,
    LearnedHamiltonianField,
    ResidualField,
    SecondOrderField,
    ShearField,
)
from darboux.flow import Flow
from darboux.integrators import (
    Composition,
    Gauss,
    GonzalezGradient,
    ImplicitEuler,
    ItohAbeGradient,
    LeapfrogMidpoint,
    LobattoIIIC,
    MeanValueGradient,
    RadauIIA,
    ReversibleHeun,
    Splitting,
    StormerVerlet,
    SymplecticEuler,
)
from darboux.linear import Conv, Dense, Lift
from tests.catalogue.passive import CASES as PASSIVE
from tests.catalogue.phase_fields import CASES as PHASE


def _hamiltonian(*, momentum_bias: bool = True) -> HamiltonianField:
    return HamiltonianField(Dense(2, 5), Dense(2, 4), Tanh(), momentum_bias=momentum_bias)


def _stiff() -> GradientField:
    return GradientField(Dense(4, 6), LeakyReLU(), metric="norm")


def _learned() -> LearnedHamiltonianField:
    field = PHASE["learned-1-network"]()
    assert isinstance(field, LearnedHamiltonianField)
    return field


def _potential() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6, bias=False))


EXPLICIT: dict[str, Callable[[], nn.Module]] = {
    "symplectic-euler": lambda: Flow([_hamiltonian() for _ in range(3)], SymplecticEuler()),
    "symplectic-euler-kick": lambda: Flow(
        SecondOrderField(Dense(2, 3), ReLU()), SymplecticEuler(first="kick"), steps=3
    ),
    "verlet": lambda: Flow([_hamiltonian() for _ in range(3)], StormerVerlet(), horizon=2.0),
    "verlet-reversible": lambda: Flow(
        _hamiltonian(momentum_bias=False), StormerVerlet(first="drift"), steps=3
    ),
    "verlet-conv": lambda: Flow(
        SecondOrderField(Conv(2, 3, kernel_size=3, dim=2, padding_mode="zeros"), Tanh()),
        StormerVerlet(),
        steps=2,
    ),
    "composition": lambda: Flow(SecondOrderField(Dense(2, 3), Tanh()), Composition(4), steps=2),
    "splitting-coupled": lambda: Flow(CoupledField(Dense(2, 2), Tanh()), Splitting(), steps=3),
    "splitting-shears": lambda: Flow(ShearField(Dense(4, 3), Tanh()), Splitting(), steps=2),
    "coupled-verlet": lambda: Flow(
        [CoupledField(Dense(2, 2), Tanh(), momentum_bias=False) for _ in range(2)],
        StormerVerlet(),
        horizon=2.0,
    ),
    "lifted-hyperbolic": lambda: Lifted(
        Lift(4, 8, dim=0),
        Flow([SecondOrderField(Dense(4, 4), Tanh())], SymplecticEuler(first="kick")),
    ),
    "leapfrog": lambda: Flow(ResidualField(Dense(4, 4), Tanh()), LeapfrogMidpoint(), steps=3),
    "leapfrog-doubled": lambda: Flow(
        ResidualField(Dense(2, 2), Tanh()), LeapfrogMidpoint(), steps=3
    ).doubled(),
    "reversible-heun-doubled": lambda: Flow(
        [ResidualField(Dense(2, 2), Tanh()) for _ in range(2)], ReversibleHeun()
    ).doubled(),
}

IMPLICIT: dict[str, Callable[[], nn.Module]] = {
    "implicit-euler-stiff": lambda: Flow(_stiff(), ImplicitEuler(), horizon=20.0, steps=2),
    "radau-stiff": lambda: Flow([_stiff()], RadauIIA(2), horizon=20.0),
    "lobatto-stiff": lambda: Flow([_stiff()], LobattoIIIC(2), horizon=20.0),
    "gauss-hamiltonian": lambda: Flow(_hamiltonian(momentum_bias=False), Gauss(2), steps=2),
    "verlet-implicit": lambda: Flow(_learned(), StormerVerlet(), steps=3),
    "gonzalez-hamiltonian": lambda: Flow(_hamiltonian(), GonzalezGradient(), steps=3),
    "mean-value-learned": lambda: Flow(_learned(), MeanValueGradient(), steps=2),
    "itoh-abe-gradient": lambda: Flow(
        GradientField(Dense(4, 6), Tanh()), ItohAbeGradient(), horizon=3.0, steps=2
    ),
    "gonzalez-port-damped": lambda: Flow(
        PASSIVE["port-network-damped"](),
        GonzalezGradient(),
        steps=2,
    ),
    "gonzalez-interconnection": lambda: Flow(
        PASSIVE["interconnection"](),
        GonzalezGradient(),
        steps=2,
    ),
    "splitting-divergence-free": lambda: Flow(
        DivergenceFreeField(_potential(), features=4), Splitting(), horizon=0.5, steps=2
    ),
}

CASES: dict[str, Callable[[], nn.Module]] = {**EXPLICIT, **IMPLICIT}

SHAPES: dict[str, tuple[int, ...]] = {
    "verlet-conv": (4, 5, 4),
    "verlet-implicit": (2,),
    "mean-value-learned": (2,),
    "gonzalez-interconnection": (8,),
}


def example_shape(name: str) -> tuple[int, ...]:
    """Return (features, *space) of the inputs of a case.

    Example:
        >>> example_shape("verlet"), example_shape("verlet-conv")
        ((4,), (4, 5, 4))
    """
    return SHAPES.get(name, (4,))
