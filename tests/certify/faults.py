"""Networks with one planted fault each: what looks like a proof rests on a false premise.

`FAULTS` maps a name to a factory of `Fault`: the broken module, an example, and where the
certificate must find the counterexample. Every one claims what the honest one claims.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from darboux.activations import Activation, GroupSort, ReLU
from darboux.compose import Lifted
from darboux.fields import GradientField, VectorField, ZhangSchaefferField
from darboux.flow import ContractiveSteps, Flow, StepRule
from darboux.integrators import Euler, Integrator, RungeKutta
from darboux.linear import Conv, Dense, Lift, LinearMap, SkewPart, StencilMap
from darboux.linear.stencil import Stencil
from darboux.structure import (
    AdjointOf,
    Averaged,
    Claim,
    Claims,
    CocoerciveField,
    Dissipative,
    GradientOfEnergy,
    Isometric,
    IsometryOf,
    Kind,
    Lipschitz,
    LipschitzField,
    Nonnegative,
    NormAtMost,
    RowsAtMost,
    SlopesWithin,
    StepWithin,
    Structure,
)


@dataclass(frozen=True)
class Fault:
    module: nn.Module
    example: Tensor
    level: str  # of the row that must be refuted
    statement: str  # a part of its statement
    claims: tuple[Structure, ...] | None = None
    hides: bool = field(default=False)  # no attack on the whole map finds it


# --- parts with a fault ------------------------------------------------------------------


class Wrapped(StencilMap):
    """An honest map under another class; faults override one method."""

    def __init__(self, map: LinearMap) -> None:
        super().__init__()
        self.map = map
        self.in_features, self.out_features = map.in_features, map.out_features
        self.dim = map.dim

    def stencil(self) -> Stencil:
        return self.map.stencil()

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return self(x) if bias is None else self(x) + bias

    def scaled_adjoint(self, y: Tensor, scale: Tensor) -> Tensor:
        return self.adjoint(y * scale.to(y.dtype).reshape(-1, *(1,) * self.dim))


class UnflippedAdjoint(Wrapped):
    def adjoint(self, y: Tensor) -> Tensor:
        axes = tuple(range(2, 2 + self.dim))
        weight = self.map.weight.transpose(0, 1)
        wrapped = nn.functional.pad(y, (1, 1) * self.dim, mode="circular")
        del axes  # the true adjoint flips the kernel along them
        return nn.functional.conv2d(wrapped, weight)


class ZeroPaddedAdjoint(Wrapped):
    def adjoint(self, y: Tensor) -> Tensor:
        return nn.functional.conv_transpose2d(y, self.map.weight, padding=1)


class HalvedBound(Wrapped):
    def norm_bound(self) -> Tensor:
        return 0.5 * self.map.norm_bound()


class StaleEstimate(Wrapped):
    """A power iteration from before the weights grew, kept as if it were a bound."""

    def __init__(self, map: LinearMap) -> None:
        super().__init__(map)
        self.register_buffer("kept", map.norm_bound().detach().clone())
        with torch.no_grad():
            map.weight.mul_(1.3)

    def norm_bound(self) -> Tensor:
        return self.kept.double()


class ShortEstimate(Wrapped):
    """Two power iterations from a random start: an estimate from below."""

    def norm_bound(self) -> Tensor:
        v = torch.ones(1, self.in_features, *(8,) * self.dim, dtype=torch.float64)
        v = v.to(self.map.weight.dtype)
        for _ in range(2):
            v = self.adjoint(self(v))
            v = v / v.norm()
        return self(v).norm().double()


class DiagonalRows(Wrapped):
    """T = diag(AA*): forgets what the rows share with one another."""

    def row_bound(self) -> Tensor:
        return self.map.weight.double().square().flatten(1).sum(dim=1)


class HiddenShift(Wrapped):
    """A x + c: affine, and says it is linear."""

    def forward(self, x: Tensor) -> Tensor:
        return super().stencil().apply(x) + 0.01


class ForgetfulFusion(Wrapped):
    """The fused form drops the bias."""

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        del bias
        return self(x)


class SymmetricPart(Wrapped):
    """S + S* with the adjoint of S - S*."""

    def stencil(self) -> Stencil:
        return self.map.map.stencil().plus(self.map.map.stencil().adjoint())

    def adjoint(self, y: Tensor) -> Tensor:
        return -self(y)


class SteepReLU(Activation):
    nonnegative = True

    def forward(self, x: Tensor) -> Tensor:
        return 1.2 * torch.relu(x)

    def slopes(self) -> tuple[float, float]:
        return 0.0, 1.0

    def antiderivative(self, x: Tensor) -> Tensor:
        return 0.6 * torch.relu(x).square()


class MonotoneGELU(Activation):
    """GELU, which is not monotone: its slopes reach -0.13 and 1.13."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(x)

    def slopes(self) -> tuple[float, float]:
        return 0.0, 1.13

    def antiderivative(self, x: Tensor) -> Tensor:
        cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
        density = torch.exp(-0.5 * x.square()) / math.sqrt(2 * math.pi)
        return 0.5 * ((x.square() - 1) * cdf + x * density)


class PosingGroupSort(Activation):
    """GroupSort that says it acts on every entry alone."""

    def __init__(self) -> None:
        super().__init__()
        self.sort = GroupSort()

    def forward(self, x: Tensor) -> Tensor:
        return self.sort(x)

    def slopes(self) -> tuple[float, float]:
        return 0.0, 1.0

    def antiderivative(self, x: Tensor) -> Tensor:
        return 0.5 * x.square()


@dataclass(frozen=True)
class BadRule(StepRule):
    """Steps that say they keep to 0.9 of the limit."""

    factor: float

    def count_for(self, field: VectorField, integrator: Integrator) -> int | None:
        return 2

    def size(self, field: VectorField, integrator: Integrator) -> Tensor | float:
        return self.factor * ContractiveSteps(fraction=0.9).size(field, integrator)

    def fraction_of_limit(self) -> float:
        return 0.9


class HastyEuler(RungeKutta):
    """Goes one and a half times as far as it is told."""

    def __init__(self) -> None:
        super().__init__(Euler().tableau)

    def step(self, field: Callable, t: float, h: Tensor | float, state: Tensor) -> Tensor:
        return state + 1.5 * h * field(t, state)


class Overridden(VectorField):
    """An honest gradient field; faults override one method."""

    def __init__(self, inner: GradientField) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, t: float, z: Tensor) -> Tensor:
        return self.inner(t, z)

    def cocoercivity(self) -> Tensor | float | None:
        return self.inner.cocoercivity()

    def energy(self, t: float, z: Tensor) -> Tensor:
        return self.inner.energy(t, z)

    def premises(self) -> tuple:
        return (CocoerciveField(self), GradientOfEnergy(self))

    def why(self) -> str:
        return "says so"


class EagerField(Overridden):
    """Reports three times the cocoercivity."""

    def cocoercivity(self) -> Tensor | float | None:
        return 3 * self.inner.cocoercivity()


class WrongEnergy(Overridden):
    """Its energy leaves out the bias."""

    def energy(self, t: float, z: Tensor) -> Tensor:
        bias = self.inner.bias.detach()
        return self.inner.energy(t, z) - (z.flatten(1).sum(dim=1) * bias.sum())


class WanderingBias(Overridden):
    """A bias that depends on z, as an attention or a normalisation layer would make it."""

    def forward(self, t: float, z: Tensor) -> Tensor:
        mean = z.flatten(2).mean(dim=2) if z.ndim > 2 else z
        shift = torch.roll(mean, 1, dims=1)
        return self.inner(t, z) + 0.5 * shift.reshape(*shift.shape, *(1,) * (z.ndim - 2))


class HalvedLipschitz(Overridden):
    def cocoercivity(self) -> None:
        return None

    def lipschitz(self) -> float:
        return 0.5 * self.inner.lipschitz()

    def premises(self) -> tuple:
        return (LipschitzField(self),)


class StretchedLift(nn.Module):
    """A lift of norm 1.1 under the name of an isometry."""

    def __init__(self, lift: Lift, *, stretch: float = 1.1) -> None:
        super().__init__()
        self.lift, self.stretch = lift, stretch
        self.in_features, self.out_features = lift.in_features, lift.out_features
        self.dim = lift.dim

    def forward(self, x: Tensor) -> Tensor:
        return self.stretch * self.lift(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.stretch * self.lift.adjoint(y)

    def restore(self, y: Tensor, *, size: tuple[int, ...]) -> Tensor:
        return self.stretch * self.lift.restore(y, size=size)

    def claims(self) -> Claims:
        premises = (AdjointOf(self), IsometryOf(self))
        return Claims((Claim(Isometric(), Kind.CONSTRUCTION, "says so", premises),))


class LearnedProjection(StretchedLift):
    """A projection that is a left inverse and no adjoint: it reads channels it never wrote."""

    def __init__(self, lift: Lift) -> None:
        super().__init__(lift, stretch=1.0)

    def adjoint(self, y: Tensor) -> Tensor:
        extra = y[:, self.in_features :].mean(dim=1, keepdim=True)
        return self.lift.adjoint(y) + 0.8 * extra

    def restore(self, y: Tensor, *, size: tuple[int, ...]) -> Tensor:
        return self.adjoint(y)[(slice(None), slice(None), *(slice(n) for n in size))]


class Claiming(nn.Module):
    """A module that claims what it is told to."""

    def __init__(self, inner: nn.Module, *structures: Structure) -> None:
        super().__init__()
        self.inner, self.structures = inner, structures

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)

    def claims(self) -> Claims:
        return Claims(tuple(Claim(s, Kind.CONSTRUCTION, "says so") for s in self.structures))


class RisingEnergy(Claiming):
    """A step of gradient descent beyond 2/L with the energy that it should decrease."""

    def __init__(self) -> None:
        super().__init__(nn.Identity(), Dissipative())
        self.stiffness = nn.Buffer(torch.tensor([0.1, 0.5, 1.0, 2.0]))

    def forward(self, x: Tensor) -> Tensor:
        return x - 1.1 * self.stiffness * x

    def energy(self, x: Tensor) -> Tensor:
        return 0.5 * (self.stiffness * x.square()).sum(dim=1)


# --- networks ----------------------------------------------------------------------------

STEPS = ContractiveSteps(fraction=0.9)
IMAGE = (2, 4, 8, 8)


def conv(**options: str) -> Conv:
    return Conv(4, 6, kernel=3, dim=2, **options)


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
        Nonnegative: "entries of",
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
            return (*super().premises(), Nonnegative(self.map_2))

    field = Trusting(Dense(4, 6), ReLU(), Dense(6, 4))
    with torch.no_grad():
        field.map_2.weight.abs_()[1, 2] = -0.05
    return planted(Flow(field, Euler(), steps=2), Nonnegative, shape=(2, 4))


def _lift(make: Callable[[Lift], nn.Module]) -> nn.Module:
    inner = Flow([GradientField(conv(), ReLU())], Euler(), steps=STEPS)
    return Lifted(make(Lift(1, 4, dim=2)), inner)


def _skew() -> Fault:
    broken = SymmetricPart(SkewPart(Conv(4, 4, kernel=3, dim=2)))
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
