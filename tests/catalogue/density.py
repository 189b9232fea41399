"""Named densities and what they are made of: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from darboux.activations import Tanh
from darboux.bijections import ActNorm, Chain, LULinear
from darboux.density import (
    ContinuousFlow,
    DiagonalNormal,
    LogitTransform,
    NormalizingFlow,
    StandardNormal,
    TimeConditionedField,
)
from darboux.fields import AntisymmetricField
from darboux.integrators import ImplicitMidpoint
from darboux.linear import Dense


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


def _conditioned() -> TimeConditionedField:
    return TimeConditionedField(_network(6, 2), context_features=3)


def _convolutional() -> TimeConditionedField:
    return TimeConditionedField(nn.Conv2d(3, 2, 3, padding=1))


BASES: dict[str, Callable[[], nn.Module]] = {
    "standard-normal": lambda: StandardNormal(2),
    "diagonal-normal": lambda: DiagonalNormal(2),
}

BIJECTIONS: dict[str, Callable[[], nn.Module]] = {
    "logit": LogitTransform,
    "continuous": lambda: ContinuousFlow(TimeConditionedField(_network(3, 2)), shape=2, steps=2),
    "continuous-conditioned": lambda: ContinuousFlow(_conditioned(), shape=2, steps=2),
    "continuous-symmetric": lambda: ContinuousFlow(
        AntisymmetricField(Dense(2, 2), Tanh(), damping=0.1),
        shape=2,
        integrator=ImplicitMidpoint(),
        steps=4,
    ),
    "continuous-images": lambda: ContinuousFlow(
        _convolutional(), shape=(2, 3, 3), steps=2, trace="exact"
    ),
}

FLOWS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: NormalizingFlow(Chain([ActNorm(2), LULinear(2)]), DiagonalNormal(2)),
    "logit-flow": lambda: NormalizingFlow(
        Chain([LogitTransform(), LULinear(2)]), StandardNormal(2)
    ),
    "continuous-flow": lambda: NormalizingFlow(
        ContinuousFlow(TimeConditionedField(_network(3, 2)), shape=2, steps=1)
    ),
    "conditioned-flow": lambda: NormalizingFlow(
        ContinuousFlow(_conditioned(), shape=2, steps=1), DiagonalNormal(2)
    ),
}

CASES: dict[str, Callable[[], nn.Module]] = {**BASES, **BIJECTIONS, **FLOWS}

SHAPES: dict[str, tuple[int, ...]] = {
    name: (2, 3, 3) if name == "continuous-images" else (2,) for name in CASES
}

CONTEXTS: dict[str, tuple[int, ...]] = {"continuous-conditioned": (3,), "conditioned-flow": (3,)}
