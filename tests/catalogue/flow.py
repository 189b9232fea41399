"""Named flows and composed maps; `GEOMETRIC` are those that keep a geometric structure."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from darboux.activations import (
    Clip,
    Identity,
    LeakyReLU,
    ReLU,
    Tanh,
)
from darboux.compose import (
    Affine,
    Average,
    FrechetConv,
    InCoordinates,
    Lifted,
    Residual,
    TangentConv,
    Translated,
)
from darboux.fields import (
    AntisymmetricField,
    CoupledField,
    DivergenceFreeField,
    GradientField,
    HamiltonianField,
    LearnedHamiltonianField,
    PotentialField,
    ResidualField,
    SecondOrderField,
    ShearField,
)
from darboux.flow import (
    ContractiveSteps,
    Flow,
    LearnedSteps,
)
from darboux.integrators import (
    Composition,
    Euler,
    Gauss,
    GonzalezGradient,
    ImplicitEuler,
    ImprovedEuler,
    ItohAbeGradient,
    Kutta3,
    Kutta4,
    LeapfrogMidpoint,
    LieEuler,
    LobattoIIIC,
    MeanValueGradient,
    PostActivation,
    RadauIIA,
    Ralston2,
    Ralston3,
    ReversibleHeun,
    Splitting,
    StormerVerlet,
    SymplecticEuler,
)
from darboux.linear import (
    Conv,
    Dense,
    Lift,
    Shrunk,
)
from darboux.manifolds import Euclidean
from tests.catalogue.fields.passive import CASES as PASSIVE
from tests.catalogue.fields.phase import CASES as PHASE


def _gradient(metric: str = "rows") -> GradientField:
    return GradientField(Dense(4, 6), ReLU(), metric=metric)  # type: ignore[arg-type]


def _convolutional() -> GradientField:
    return GradientField(
        Conv(4, 5, kernel_size=3, dim=2, padding_mode="zeros"), Clip(5, threshold=0.3)
    )


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


COMPOSED: dict[str, Callable[[], nn.Module]] = {
    "euler-rows": lambda: Flow([_gradient() for _ in range(3)], Euler(), steps=ContractiveSteps()),
    "euler-norm": lambda: Flow(
        [_gradient("norm") for _ in range(3)], Euler(), steps=ContractiveSteps()
    ),
    "euler-conv-clip": lambda: Flow(
        [_convolutional() for _ in range(2)], Euler(), steps=ContractiveSteps()
    ),
    "improved-euler-shared": lambda: Flow(
        _gradient(), ImprovedEuler(), steps=ContractiveSteps(count=3, fraction=0.5)
    ),
    "kutta3-limit": lambda: Flow(
        _gradient("norm"), Kutta3(), steps=ContractiveSteps(count=3, fraction=1.0)
    ),
    "kutta4-horizon": lambda: Flow(
        _gradient(), Kutta4(), horizon=5.0, steps=ContractiveSteps(fraction=0.9)
    ),
    "ralston2-uniform": lambda: Flow(ResidualField(Dense(4, 4), Tanh()), Ralston2(), steps=4),
    "ralston3-uniform": lambda: Flow(
        AntisymmetricField(Dense(4, 4), Tanh(), damping=0.1), Ralston3(), steps=4, horizon=2.0
    ),
    "linear-damped": lambda: Flow(
        AntisymmetricField(Dense(4, 4), Identity(), damping=0.5),
        Kutta4(),
        steps=ContractiveSteps(count=3),
    ),
    "learned-steps-inside": lambda: Flow(
        [_gradient() for _ in range(3)], Euler(), steps=LearnedSteps(3, horizon=3.0)
    ),
    "learned-steps-shared": lambda: Flow(_gradient(), Kutta3(), steps=LearnedSteps(3)),
    "post-activation": lambda: Flow(
        _gradient(), PostActivation(Euler()), steps=ContractiveSteps(count=3)
    ),
    "lifted": lambda: Translated(
        Lifted(
            Lift(1, 4, dim=2, shuffle=2),
            Flow([_convolutional()], Euler(), steps=ContractiveSteps()),
        ),
        offset=0.5,
    ),
    "average": lambda: Average(
        [Flow(_gradient(), Euler(), steps=ContractiveSteps(count=1)), nn.Identity()],
        weights=(0.25, 0.75),
    ),
    "residual": lambda: Residual(
        Flow(_gradient(), Euler(), steps=ContractiveSteps(count=1)), scale=-0.5
    ),
    "affine": lambda: Affine(Shrunk(Dense(4, 4), norm=0.9)),
}

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
    "verlet-learned-steps": lambda: Flow(
        [_hamiltonian() for _ in range(3)],
        StormerVerlet(),
        steps=LearnedSteps(3, constraint="none", start=[0.5, -0.25, 0.5]),
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
    "implicit-euler-learned-steps": lambda: Flow(
        _stiff(), ImplicitEuler(), steps=LearnedSteps(2, horizon=20.0, start=[5.0, 15.0])
    ),
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

BIJECTIONS: dict[str, Callable[[], nn.Module]] = {
    "verlet-bijection": lambda: Flow(_hamiltonian(), StormerVerlet(), steps=2).as_bijection(),
}

GEOMETRIC: dict[str, Callable[[], nn.Module]] = {**EXPLICIT, **IMPLICIT, **BIJECTIONS}
ON_MANIFOLDS: dict[str, Callable[[], nn.Module]] = {  # any features are points here
    "in-coordinates": lambda: InCoordinates(Euclidean(4), COMPOSED["euler-rows"]()),
    "frechet-conv": lambda: FrechetConv(Euclidean(4), kernel_size=3, dim=1),
    "tangent-conv": lambda: TangentConv(Euclidean(4), kernel_size=3, dim=1),
    "lie-euler": lambda: Flow(
        PotentialField(Euclidean(4), Dense(4, 6), Tanh()), LieEuler(), horizon=0.1, steps=2
    ),
}
CASES: dict[str, Callable[[], nn.Module]] = {**COMPOSED, **GEOMETRIC, **ON_MANIFOLDS}

SHAPES: dict[str, tuple[int, ...]] = {
    "euler-conv-clip": (4, 7, 6),
    "lifted": (1, 7, 6),
    "verlet-conv": (4, 5, 4),
    "verlet-implicit": (2,),
    "mean-value-learned": (2,),
    "gonzalez-interconnection": (8,),
    "frechet-conv": (5, 4),
    "tangent-conv": (5, 4),
}


def example_shape(name: str) -> tuple[int, ...]:
    """Return (features, *space) of the inputs of a case.

    Example:
        >>> example_shape("euler-rows"), example_shape("verlet-conv")
        ((4,), (4, 5, 4))
    """
    return SHAPES.get(name, (4,))
