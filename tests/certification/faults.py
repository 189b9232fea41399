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
from darboux.integrators import Euler, Integrator
from darboux.linear import Conv, Dense, Lift, LinearMap, SkewPart
from darboux.structure import (
    AdjointOf,
    Averaged,
    CocoerciveField,
    GradientOfEnergy,
    IsometryOf,
    Lipschitz,
    LipschitzField,
    NonnegativeEntries,
    NormAtMost,
    RowsAtMost,
    SlopesWithin,
    StepWithin,
    Structure,
)
from tests.certification.broken import (
    BadRule,
    Claiming,
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
    module: nn.Module, premise: type, *, shape: tuple[int, ...] = IMAGE, hides: bool = False
) -> Fault:
    words = {
        AdjointOf: "adjoint identity",
        CocoerciveField: "Δz⟩ <= ν̄",
        GradientOfEnergy: "-∇energy",
        IsometryOf: "L*L = id",
        LipschitzField: "<= L ‖Δz‖",
        NonnegativeEntries: "entries of",
        NormAtMost: "norm_bound()",
        RowsAtMost: "row_bound()",
        SlopesWithin: "slopes of",
        StepWithin: "0 <= h",
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
            return (*super().premises(), NonnegativeEntries(self.map_2))

    field = Trusting(Dense(4, 6), ReLU(), Dense(6, 4))
    with torch.no_grad():
        field.map_2.weight.abs_()[1, 2] = -0.05
    return planted(Flow(field, Euler(), steps=2), NonnegativeEntries, shape=(2, 4))


def _lift(make: Callable[[Lift], nn.Module]) -> nn.Module:
    inner = Flow([GradientField(conv(), ReLU())], Euler(), steps=STEPS)
    return Lifted(make(Lift(1, 4, dim=2)), inner)


def _skew() -> Fault:
    broken = SymmetricPart(SkewPart(Conv(4, 4, kernel_size=3, dim=2)))
    flow = Flow([GradientField(broken, ReLU())], Euler(), steps=STEPS)
    return planted(flow, AdjointOf)


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
    return planted(Flow([field], Euler(), steps=STEPS), GradientOfEnergy)


def _hasty() -> Fault:
    flow = Flow([sharp()], HastyEuler(), steps=STEPS)
    return Fault(nn.Sequential(flow, nn.Tanh()), torch.randn(2, 4), "part", "averaged")


FAULTS: dict[str, Callable[[], Fault]] = {
    "step 1.5 times too long": lambda: planted(network(steps=BadRule(1.5)), StepWithin, hides=True),
    "negative step": lambda: planted(network(steps=BadRule(-0.1)), StepWithin),
    "integrator goes further than told": _hasty,
    "adjoint with an unflipped kernel": lambda: planted(network(UnflippedAdjoint), AdjointOf),
    "wrong padding in the adjoint": lambda: planted(
        network(ZeroPaddedAdjoint), AdjointOf, hides=True
    ),
    "skew part with a plus": _skew,
    "affine map posing as linear": lambda: planted(network(HiddenShift), AdjointOf, hides=True),
    "fused form without the bias": lambda: planted(network(ForgetfulFusion), AdjointOf, hides=True),
    "bound halved": lambda: planted(network(HalvedBound, metric="norm"), NormAtMost),
    "stale power iteration": lambda: planted(
        network(StaleEstimate, metric="norm"), NormAtMost, hides=True
    ),
    "two power iterations": lambda: planted(
        network(ShortEstimate, metric="norm"), NormAtMost, hides=True
    ),
    "row bound too small": lambda: planted(network(DiagonalRows), RowsAtMost),
    "activation of slope 1.2": lambda: planted(
        network(activation=SteepReLU), SlopesWithin, hides=True
    ),
    "activation that is not monotone": lambda: planted(
        network(activation=MonotoneGELU), SlopesWithin, hides=True
    ),
    "GroupSort as a separable activation": lambda: planted(
        network(activation=PosingGroupSort), SlopesWithin
    ),
    "lift that is no isometry": lambda: planted(
        _lift(StretchedLift), IsometryOf, shape=(2, 1, 8, 8)
    ),
    "projection that is no adjoint": lambda: planted(
        _lift(LearnedProjection), AdjointOf, shape=(2, 1, 8, 8)
    ),
    "wrong cocoercivity": lambda: planted(
        Flow([EagerField(sharp())], Euler(), steps=STEPS), CocoerciveField, shape=(2, 4)
    ),
    "energy that is not the potential": _wrong_energy,
    "bias that depends on z": lambda: planted(
        Flow([WanderingBias(GradientField(conv(), ReLU()))], Euler(), steps=STEPS),
        CocoerciveField,
    ),
    "Lipschitz constant halved": lambda: planted(
        Flow([HalvedLipschitz(sharp(metric="rows"))], Euler()), LipschitzField, shape=(2, 4)
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
