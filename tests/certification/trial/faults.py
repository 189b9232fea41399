"""Planted faults: name -> factory of a module, and of its input.

Every one claims one structure, or a network of the library, and breaks it by little: by 1e-2 or
1e-3 of the size of values, or by 1e-6 where the model runs in float64.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import darboux as dx
from darboux.activations import Activation, ReLU
from darboux.fields import CanonicalPhaseField, GradientField, SeparablePhaseField
from darboux.flow import StepRule
from tests.certification.broken import BadRule
from tests.certification.trial.bases import BASES, DETERMINANTS, INVERTIBLE, VECTOR, Base, turn
from tests.certification.trial.special import SPECIAL
from tests.certification.trial.spoilers import (
    BENDS,
    SCALARS,
    SpoiledMap,
    SpoiledReLU,
    WrongInverse,
    WrongLogDet,
    WrongValue,
)

Make = Callable[[torch.dtype], nn.Module]
FINE = ("scaled", "one entry", "half space", "sheared")  # those that are also tried at 1e-6

# what leaves a structure as it is, or touches nothing that the map attains
HARMLESS = {
    *(
        ("equivariant tanh", bend)
        for bend in ("large entries", "far entries", "explodes")  # values lie in [-1, 1]
    ),
    *((name, "sheared") for name in BASES if name.startswith("volume")),
    *(
        (name, bend)
        for name in BASES
        if name.startswith("equivariant")
        for bend in ("scaled", "batch mates", "later samples", "large batches")
    ),
}


def size_of(bend: str, dtype: torch.dtype) -> float:
    return 1e-6 if dtype == torch.float64 and bend in FINE else 1e-2


def spoiled(base: Base, wrap: type, fault: Callable, bend: str) -> Make:
    def make(dtype: torch.dtype) -> nn.Module:
        inner = base.build().eval()
        return wrap(inner, base.claimed(inner), fault, size_of(bend, dtype)).to(dtype)

    return make


def wrapped() -> Iterator[tuple[str, Make, tuple[int, ...]]]:
    """Yield every base with every spoiler that breaks it."""
    for of, table, wrap, faults in (
        ("", BASES, WrongValue, BENDS),
        ("inverse of ", INVERTIBLE, WrongInverse, BENDS),
        ("log-det of ", DETERMINANTS, WrongLogDet, SCALARS),
    ):
        for name, base in table.items():
            for bend, fault in faults.items():
                if (name, bend) not in HARMLESS:
                    yield f"{of}{name}: {bend}", spoiled(base, wrap, fault, bend), base.shape


def chain(
    place: int,
    *,
    map: Callable[[nn.Module], nn.Module] = lambda map: map,
    activation: Callable[[], Activation] = ReLU,
    metric: str = "norm",
    steps: StepRule | None = None,
) -> nn.Module:
    """Return a contractive network, one of whose two steps is broken."""
    fields = [GradientField(turn(), ReLU(), metric=metric) for _ in range(2)]
    fields[place] = GradientField(map(turn()), activation(), metric=metric)
    rule = steps or dx.ContractiveSteps(fraction=0.9)
    return dx.Flow(fields, dx.integrators.Euler(), steps=rule)


def premises() -> Iterator[tuple[str, Make, tuple[int, ...]]]:
    """Yield contractive networks with one false premise, which they contract away."""

    def add(name: str, **options: object) -> tuple[str, Make, tuple[int, ...]]:
        return name, lambda dtype: chain(**options).to(dtype), VECTOR

    for place in range(2):
        for bend in ("scaled", "small entries", "large entries", "half space", "a kink", "waves"):

            def activation(bend: str = bend) -> Activation:
                return SpoiledReLU(lambda x, e: ELEMENTWISE[bend](x, e) - x, 0.03)

            yield add(f"slopes {bend}, step {place}", place=place, activation=activation)
        for what in ("adjoint", "shift", "norm", "rows", "adjoint, float32"):

            def spoil(map: nn.Module, what: str = what) -> nn.Module:
                return SpoiledMap(map, what, 1e-3)

            metric = "norm" if what == "norm" else "rows"
            yield add(f"map {what}, step {place}", place=place, map=spoil, metric=metric)
    for factor in (1.01, 1.1, 2.0, -0.01):
        yield add(f"steps times {factor}", place=0, steps=BadRule(factor))


ELEMENTWISE: dict[str, Callable[[Tensor, float], Tensor]] = {
    "scaled": lambda x, e: x + e * x,
    "small entries": lambda x, e: x + e * x.clamp(-0.01, 0.01),
    "large entries": lambda x, e: x + e * (x - 10.0).clamp(min=0),
    "half space": lambda x, e: x + e * x.clamp(max=0).abs(),
    "a kink": lambda x, e: x + 0.3 * (x - 0.5).clamp(0, 0.01),
    "waves": lambda x, e: x + e * torch.sin(x),
}


class Pendulum(SeparablePhaseField, CanonicalPhaseField):
    """H = Σ p²/2 - cos z, with something added to drift, kick or energy."""

    autonomous = reversible = True

    def __init__(self, where: str, what: Callable, size: float) -> None:
        super().__init__()
        self.where, self.what, self.size = where, what, size

    def _more(self, where: str, t: object, z: Tensor, p: Tensor) -> Tensor | float:
        time = torch.as_tensor(t, dtype=z.dtype)
        return self.size * self.what(time, z, p) if self.where == where else 0.0

    def drift(self, t, z, p):
        return p + self._more("drift", t, z, p)

    def kick(self, t, z, p):
        return -torch.sin(z) + self._more("kick", t, z, p)

    def energy(self, t, x):
        z, p = x.chunk(2, dim=1)
        more = self._more("energy", t, z, p)
        return (0.5 * p.square() - torch.cos(z) + more).flatten(1).sum(dim=1)


def looks(z: Tensor) -> Tensor:
    return z.roll(1, dims=1)


ADDED: dict[str, tuple[str, Callable]] = {
    "damping": ("kick", lambda t, z, p: -p),
    "a kick that looks at p, far out": ("kick", lambda t, z, p: (p - 2.0).clamp(min=0)),
    "a drift that looks at z": ("drift", lambda t, z, p: z),
    "a force without potential": ("kick", lambda t, z, p: z * looks(z)),
    "a drift without energy": ("drift", lambda t, z, p: torch.tanh(p) * looks(p)),
    "a force in time": ("kick", lambda t, z, p: torch.cos(3 * t) * z),
    "a drift in time": ("drift", lambda t, z, p: t * p),
    "a constant drift": ("drift", lambda t, z, p: torch.ones_like(p)),
    "batch mates": ("kick", lambda t, z, p: z.roll(1, dims=0)),
    "another energy": ("energy", lambda t, z, p: 0.5 * p.square()),
    "an energy in time": ("energy", lambda t, z, p: torch.cos(t) * z.square()),
}
METHODS = {
    "verlet": dx.integrators.StormerVerlet,
    "euler": dx.integrators.SymplecticEuler,
    "fourth order": lambda: dx.integrators.Composition(4),
    "splitting": dx.integrators.Splitting,
}


def flows() -> Iterator[tuple[str, Make, tuple[int, ...]]]:
    """Yield Hamiltonian flows whose field is not what it says."""
    for method, integrator in METHODS.items():
        for name, (where, what) in ADDED.items():

            def make(dtype, where=where, what=what, integrator=integrator):
                field = Pendulum(where, what, 0.01)
                return dx.Flow(field, integrator(), horizon=0.6, steps=2).to(dtype)

            yield f"{method} with {name}", make, VECTOR


def special() -> Iterator[tuple[str, Make, tuple[int, ...]]]:
    """Yield faults of single structures."""
    for name, (structure, module, shape) in SPECIAL.items():

        def make(dtype, structure=structure, module=module):
            inner = copy.deepcopy(module).to(dtype)
            return WrongValue(inner, structure, lambda y, e: y, 0.0)

        yield name, make, shape


FAULTS: dict[str, tuple[Make, tuple[int, ...]]] = {
    name: (make, shape)
    for source in (wrapped, special, premises, flows)
    for name, make, shape in source()
}
