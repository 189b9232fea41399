"""Named chains of bijections, and flows as bijections: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from darboux.activations import Tanh
from darboux.bijections import (
    AdditiveCoupling,
    AffineCoupling,
    Chain,
    Concatenate,
    Flatten,
    Split,
)
from darboux.fields import HamiltonianField, ResidualField
from darboux.flow import Flow
from darboux.integrators import LeapfrogMidpoint, ReversibleHeun, StormerVerlet
from darboux.linear import Dense


def _network(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Linear(5, outputs))


def _couplings() -> list[nn.Module]:
    return [
        AdditiveCoupling(_network(2, 2)),
        AffineCoupling(_network(2, 4), swap=True),
        AdditiveCoupling(_network(2, 2)),
    ]


def _hamiltonian() -> Flow:
    return Flow(HamiltonianField(Dense(2, 3), Dense(2, 3), Tanh()), StormerVerlet(), steps=2)


def _residual() -> ResidualField:
    return ResidualField(Dense(2, 2), Tanh())


CASES: dict[str, Callable[[], nn.Module]] = {
    "autograd": lambda: Chain(_couplings()),
    "checkpoint": lambda: Chain(_couplings(), memory="checkpoint"),
    "constant": lambda: Chain(_couplings(), memory="constant"),
    "nested": lambda: Chain([Chain(_couplings()), Chain(_couplings())]),
    "multi-scale": lambda: Chain(
        [*_couplings(), Split(2), AdditiveCoupling(_network(1, 1)), Flatten([(2,), (2,)])]
    ),
    "skip": lambda: Chain(
        [Split(2), AdditiveCoupling(_network(1, 1)), Concatenate(2), *_couplings()]
    ),
    "empty": lambda: Chain([]),
    "flow": lambda: _hamiltonian().as_bijection(),
    "flow-step": lambda: _hamiltonian().as_bijection().maps()[0][1],
    "flow-in-chain": lambda: Chain([*_couplings(), _hamiltonian()]),
    "leapfrog": lambda: Flow(_residual(), LeapfrogMidpoint(), steps=3).doubled().as_bijection(),
    "leapfrog-step": lambda: (
        Flow(_residual(), LeapfrogMidpoint(), steps=3).doubled().as_bijection().maps()[1][1]
    ),
    "reversible-heun": lambda: (
        Flow(_residual(), ReversibleHeun(), steps=3).doubled().as_bijection()
    ),
}

SHAPES: dict[str, tuple[int, ...]] = dict.fromkeys(CASES, (4,))

# A memory mode other than autograd is for eager execution: see darboux.bijections.Chain.
SKIPPED: dict[str, tuple[str, ...]] = {"checkpoint": ("compile",), "constant": ("compile",)}
