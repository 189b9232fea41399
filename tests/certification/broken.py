"""Parts with one fault each, which still report what their honest kin report."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.activations import Activation, GroupSort
from darboux.fields import GradientField, VectorField
from darboux.flow import ContractiveSteps, StepRule
from darboux.integrators import Euler, Integrator, RungeKutta
from darboux.linear import Lift, LinearMap, StencilMap
from darboux.linear._stencil import Stencil
from darboux.structure import (
    Claim,
    Claims,
    Dissipative,
    Isometric,
    Kind,
    Structure,
    adjoint_of,
    cocoercive_field,
    gradient_of_energy,
    isometry_of,
    lipschitz_field,
)


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


class DiagonalEntries(DiagonalRows):
    """The same as an entry bound."""

    def entry_bound(self) -> Tensor:
        return self.row_bound()


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

    def size(self, field: VectorField, integrator: Integrator, index: int = 0) -> Tensor | float:
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

    autonomous = True

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
        return (cocoercive_field(self), gradient_of_energy(self))

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
        return (lipschitz_field(self),)


class StretchedLift(LinearMap):
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

    def norm_bound(self) -> Tensor:
        return self.lift.norm_bound()

    def row_bound(self) -> Tensor:
        return self.lift.row_bound()

    def symbol(self, n: int) -> Tensor:
        return self.lift.symbol(n)

    def claims(self) -> Claims:
        premises = (adjoint_of(self), isometry_of(self))
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
