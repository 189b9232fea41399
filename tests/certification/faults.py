"""Networks with one planted fault each: what looks like a proof rests on a false premise.

`FAULTS` maps a name to a factory of `Fault`: the broken module, an example, and where the
certificate must find the counterexample. Every one claims what the honest one claims.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from darboux.activations import Activation, ReLU
from darboux.compose import Lifted
from darboux.fields import GradientField, ZhangSchaefferField
from darboux.flow import ContractiveSteps, Flow, StepRule
from darboux.imaging import Prior
from darboux.imaging._prior import Sigma
from darboux.integrators import Euler, Integrator
from darboux.linear import Conv, Dense, Lift, LinearMap, SkewPart
from darboux.structure import (
    Averaged,
    Condition,
    Lipschitz,
    Structure,
    adjoint_of,
    cocoercive_field,
    entries_at_most,
    gradient_of_energy,
    isometry_of,
    lipschitz_field,
    nonnegative_entries,
    norm_at_most,
    rows_at_most,
    slopes_within,
    step_within,
)
from tests.certification.broken import (
    BadRule,
    Claiming,
    DiagonalEntries,
    DiagonalRows,
    EagerField,
    ForgetfulFusion,
    HalvedBound,
    HalvedLipschitz,
    HastyEuler,
    HiddenShift,
    LearnedProjection,
    MonotoneGELU,
    PosingGroupSort,
    RisingEnergy,
    ShortEstimate,
    StaleEstimate,
    SteepReLU,
    StretchedLift,
    SymmetricPart,
    UnflippedAdjoint,
    WanderingBias,
    WrongEnergy,
    ZeroPaddedAdjoint,
)


@dataclass(frozen=True)
class Fault:
    module: nn.Module
    example: Tensor
    level: str  # of the row that must be refuted
    statement: str  # a part of its statement
    claims: tuple[Structure, ...] | None = None
    hides: bool = field(default=False)  # no attack on the whole map finds it


STEPS = ContractiveSteps(fraction=0.9)
IMAGE = (2, 4, 8, 8)


def conv(**options: str) -> Conv:
    return Conv(4, 6, kernel_size=3, dim=2, **options)


def network(
    wrap: Callable[[LinearMap], LinearMap] = lambda map: map,
    *,
    activation: Callable[[], Activation] = ReLU,
    metric: str = "rows",
    steps: StepRule = STEPS,
    integrator: Integrator | None = None,
) -> Flow:
    """Return a broken step between honest ones."""
    honest = [GradientField(conv(), ReLU(), metric=metric) for _ in range(2)]
    broken = GradientField(wrap(conv()), activation(), metric=metric)
    fields = [honest[0], broken, honest[1]]
    return Flow(fields, integrator or Euler(), steps=steps)


def sharp(*, metric: str = "norm") -> GradientField:
    """Return a field whose constant is attained: A has orthonormal rows."""
    map = Dense(4, 4)
    with torch.no_grad():
        map.weight.copy_(torch.linalg.qr(torch.randn(4, 4))[0])
    return GradientField(map, ReLU(), metric=metric)


def planted(
    module: nn.Module, premise: Condition, *, shape: tuple[int, ...] = IMAGE, hides: bool = False
) -> Fault:
    words = {
        adjoint_of: "adjoint identity",
        cocoercive_field: "Δz⟩ <= ν̄",
        gradient_of_energy: "-∇energy",
        isometry_of: "L*L = id",
        lipschitz_field: "<= L ‖Δz‖",
        nonnegative_entries: "entries of",
        norm_at_most: "norm_bound()",
        entries_at_most: "entry_bound()",
        rows_at_most: "row_bound()",
        slopes_within: "slopes of",
        step_within: "0 <= h",
    }
    return Fault(module, torch.randn(shape), "premise", words[premise], hides=hides)


def _spectral_norm() -> Fault:
    layer = nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 8, 3, padding=1))
    for _ in range(30):
        layer(torch.zeros(1, 4, 8, 8))  # in training mode, so that its iteration converges
    claims = (Lipschitz(1.0),)
    return Fault(layer.eval(), torch.randn(IMAGE), "claim", "Lipschitz", claims=claims)


def _negative_outer_map() -> Fault:
    class Trusting(ZhangSchaefferField):
        def premises(self) -> tuple:
            return (*super().premises(), nonnegative_entries(self.map_2))

    field = Trusting(Dense(4, 6), ReLU(), Dense(6, 4))
    with torch.no_grad():
        field.map_2.weight.abs_()[1, 2] = -0.05
    return planted(Flow(field, Euler(), steps=2), nonnegative_entries, shape=(2, 4))


def _lift(make: Callable[[Lift], nn.Module]) -> nn.Module:
    inner = Flow([GradientField(conv(), ReLU())], Euler(), steps=STEPS)
    return Lifted(make(Lift(1, 4, dim=2)), inner)


def _skew() -> Fault:
    broken = SymmetricPart(SkewPart(Conv(4, 4, kernel_size=3, dim=2)))
    flow = Flow([GradientField(broken, ReLU())], Euler(), steps=STEPS)
    return planted(flow, adjoint_of)


def _part(module: nn.Module, statement: str, *, shape: tuple[int, ...] = (2, 4)) -> Fault:
    return Fault(nn.Sequential(nn.Tanh(), module), torch.randn(shape), "part", statement)


def _averaged_too_much() -> Fault:
    return _part(Claiming(nn.Tanh(), Averaged(0.3)), "averaged")


def _overlapping_pool() -> Fault:
    pool = Claiming(nn.MaxPool1d(3, stride=1), Lipschitz(1.0))
    return _part(pool, "Lipschitz", shape=(2, 4, 12))


def _wrong_energy() -> Fault:
    field = WrongEnergy(GradientField(conv(), ReLU()))
    with torch.no_grad():
        field.inner.bias.fill_(0.1)
    return planted(Flow([field], Euler(), steps=STEPS), gradient_of_energy)


class LongGradient(Prior):
    """‖x‖² / 2 with a gradient that is 1 % too long."""

    channels, dim = 1, 2

    def g(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        return x.square().flatten(1).sum(1) / 2

    def grad(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        return 1.01 * x

    def lipschitz(self) -> float:
        return 1.01

    def weak_convexity(self) -> float:
        return 0.0


def _long_gradient() -> Fault:
    return Fault(LongGradient(), torch.randn(2, 1, 6, 6), "premise", ".grad = ∇")


def _hasty() -> Fault:
    flow = Flow([sharp()], HastyEuler(), steps=STEPS)
    return Fault(nn.Sequential(flow, nn.Tanh()), torch.randn(2, 4), "part", "averaged")


FAULTS: dict[str, Callable[[], Fault]] = {
    "step 1.5 times too long": lambda: planted(
        network(steps=BadRule(1.5)), step_within, hides=True
    ),
    "negative step": lambda: planted(network(steps=BadRule(-0.1)), step_within),
    "integrator goes further than told": _hasty,
    "gradient of a prior too long": _long_gradient,
    "adjoint with an unflipped kernel": lambda: planted(network(UnflippedAdjoint), adjoint_of),
    "wrong padding in the adjoint": lambda: planted(
        network(ZeroPaddedAdjoint), adjoint_of, hides=True
    ),
    "skew part with a plus": _skew,
    "affine map posing as linear": lambda: planted(network(HiddenShift), adjoint_of, hides=True),
    "fused form without the bias": lambda: planted(
        network(ForgetfulFusion), adjoint_of, hides=True
    ),
    "bound halved": lambda: planted(network(HalvedBound, metric="norm"), norm_at_most),
    "stale power iteration": lambda: planted(
        network(StaleEstimate, metric="norm"), norm_at_most, hides=True
    ),
    "two power iterations": lambda: planted(
        network(ShortEstimate, metric="norm"), norm_at_most, hides=True
    ),
    "row bound too small": lambda: planted(network(DiagonalRows), rows_at_most),
    "entry bound too small": lambda: planted(
        network(DiagonalEntries, metric="entries"), entries_at_most
    ),
    "activation of slope 1.2": lambda: planted(
        network(activation=SteepReLU), slopes_within, hides=True
    ),
    "activation that is not monotone": lambda: planted(
        network(activation=MonotoneGELU), slopes_within, hides=True
    ),
    "GroupSort as a separable activation": lambda: planted(
        network(activation=PosingGroupSort), slopes_within
    ),
    "lift that is no isometry": lambda: planted(
        _lift(StretchedLift), isometry_of, shape=(2, 1, 8, 8)
    ),
    "projection that is no adjoint": lambda: planted(
        _lift(LearnedProjection), adjoint_of, shape=(2, 1, 8, 8)
    ),
    "wrong cocoercivity": lambda: planted(
        Flow([EagerField(sharp())], Euler(), steps=STEPS), cocoercive_field, shape=(2, 4)
    ),
    "energy that is not the potential": _wrong_energy,
    "bias that depends on z": lambda: planted(
        Flow([WanderingBias(GradientField(conv(), ReLU()))], Euler(), steps=STEPS),
        cocoercive_field,
    ),
    "Lipschitz constant halved": lambda: planted(
        Flow([HalvedLipschitz(sharp(metric="rows"))], Euler()), lipschitz_field, shape=(2, 4)
    ),
    "negative entry in a nonnegative map": _negative_outer_map,
    "averaged with a smaller α": _averaged_too_much,
    "overlapping windows": _overlapping_pool,
    "gradient step beyond 2/L": lambda: _part(RisingEnergy(), "dissipative"),
    "spectral_norm on Conv2d": _spectral_norm,
}


def make(name: str) -> Fault:
    """Return a fault, the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sum(map(ord, name)))
        return FAULTS[name]()
