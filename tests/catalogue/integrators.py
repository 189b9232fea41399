"""Named integrators, awkward ones among them: name -> factory."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from darboux.integrators import (
    AdaptiveRadau,
    BogackiShampine,
    CommutatorFree,
    Composition,
    CompositionCoefficients,
    CrouchGrossman,
    DiscreteGradient,
    DormandPrince,
    DormandPrince8,
    Euler,
    Fehlberg,
    Gauss,
    GonzalezGradient,
    HeunEuler,
    ImplicitEuler,
    ImplicitMidpoint,
    ImplicitRungeKutta,
    ImprovedEuler,
    Integrator,
    ItohAbeGradient,
    Kutta3,
    Kutta4,
    LeapfrogMidpoint,
    LieEuler,
    LobattoIIIC,
    MeanValueGradient,
    MuntheKaas,
    PostActivation,
    Projected,
    RadauIA,
    RadauIIA,
    Ralston2,
    Ralston3,
    Rattle,
    ReversibleHeun,
    RungeKutta,
    Splitting,
    StormerVerlet,
    SymplecticEuler,
    Tableau,
    Tsitouras,
    VariationalRigidBody,
)
from darboux.manifolds import Sphere

_HALF = Fraction(1, 2)


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


def _own_coefficients() -> Composition:
    """Return Suzuki's composition with two more steps, of size 0."""
    outer = 1 / (4 - 4 ** (1 / 3))
    weights = (outer, outer, 0.0, 1 - 4 * outer, 0.0, outer, outer)
    return Composition(4, scheme=CompositionCoefficients(weights, "with steps of size 0"))


EXPLICIT: dict[str, Callable[[], Integrator]] = {
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

IMPLICIT: dict[str, Callable[[], ImplicitRungeKutta]] = {
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

SYMPLECTIC: dict[str, Callable[[], Integrator]] = {
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

DISCRETE_GRADIENTS: dict[str, Callable[[], DiscreteGradient]] = {
    "gonzalez": GonzalezGradient,
    "mean-value": MeanValueGradient,
    "mean-value-one-node": lambda: MeanValueGradient(nodes=1),
    "itoh-abe": ItohAbeGradient,
    "itoh-abe-symmetrized": lambda: ItohAbeGradient(symmetrized=True),
}

ADAPTIVE: dict[str, Callable[[], Integrator]] = {
    "dormand_prince": DormandPrince,
    "dormand_prince_coarse": lambda: DormandPrince(rtol=1e-2, atol=1e-2),
    "dormand_prince_absolute": lambda: DormandPrince(rtol=0.0, atol=1e-5),
    "dormand_prince_relative": lambda: DormandPrince(rtol=1e-5, atol=0.0),
    "dormand_prince8": DormandPrince8,
    "tsitouras": Tsitouras,
    "bogacki_shampine": lambda: BogackiShampine(rtol=1e-4),
    "fehlberg": lambda: Fehlberg(rtol=1e-3, atol=1e-3),
    "heun_euler": lambda: HeunEuler(rtol=1e-3, atol=1e-4),
    "adaptive_radau": AdaptiveRadau,
    "adaptive_radau_coarse": lambda: AdaptiveRadau(rtol=1e-3, atol=1e-4),
}

ON_MANIFOLDS: dict[str, Callable[[], Integrator]] = {
    "lie_euler": LieEuler,
    "munthe_kaas1": lambda: MuntheKaas(1),
    "munthe_kaas2": lambda: MuntheKaas(2),
    "munthe_kaas3": lambda: MuntheKaas(3),
    "munthe_kaas4": MuntheKaas,
    "crouch_grossman2": lambda: CrouchGrossman(2),
    "crouch_grossman3": CrouchGrossman,
    "crouch_grossman4": lambda: CrouchGrossman(4),
    "commutator_free": CommutatorFree,
    "projected_euler": lambda: Projected(Euler(), Sphere(3)),
    "projected_kutta4": lambda: Projected(Kutta4(), Sphere(3)),
}

MECHANICAL: dict[str, Callable[[], Integrator]] = {
    "rattle": Rattle,
    "variational_rigid_body": VariationalRigidBody,
}

CASES: dict[str, Callable[[], Integrator]] = {
    **EXPLICIT,
    **IMPLICIT,
    **SYMPLECTIC,
    **DISCRETE_GRADIENTS,
    **ADAPTIVE,
    **ON_MANIFOLDS,
    **MECHANICAL,
}
