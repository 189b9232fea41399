"""Named invertible residual layers: name -> factory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from darboux.activations import ELU, LipSwish, Tanh
from darboux.bijections import (
    ContractiveNetwork,
    ExactLogDet,
    InvertibleResidual,
    MixedContractiveNetwork,
    TruncatedSeries,
)
from darboux.linear import Dense


def _seeded(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def factory() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return build()

    return factory


def _bounded() -> nn.Module:
    """Return a layer whose constant is computed from the present weights."""
    first, last = Dense(3, 5), Dense(5, 3)
    with torch.no_grad():
        first.weight.mul_(0.2)
        last.weight.mul_(0.3)
    return nn.Sequential(first, nn.Tanh(), last)


CASES: dict[str, Callable[[], nn.Module]] = {
    name: _seeded(build)
    for name, build in {
        "residual-dense": lambda: InvertibleResidual(ContractiveNetwork(4, [8, 8])),
        "residual-dense-plain-iteration": lambda: InvertibleResidual(
            ContractiveNetwork(3, [8], constant=0.7, activation=Tanh), method="fixed-point"
        ),
        "residual-dense-spectral": lambda: InvertibleResidual(
            ContractiveNetwork(3, [8], activation=ELU, by="spectral")
        ),
        "residual-dense-bounded": lambda: InvertibleResidual(_bounded(), log_det=ExactLogDet()),
        "residual-dense-long-series": lambda: InvertibleResidual(
            ContractiveNetwork(3, [8], constant=0.3), log_det=TruncatedSeries(30)
        ),
        "residual-dense-conditioned": lambda: InvertibleResidual(
            ContractiveNetwork(3, [8], context_features=2), context_features=2
        ),
        "residual-dense-mixed-norms": lambda: InvertibleResidual(
            MixedContractiveNetwork(3, [8, 6], orders=(1.5, math.inf, 1.5, 1.5))
        ),
        "residual-conv1d": lambda: InvertibleResidual(
            ContractiveNetwork(2, [4], dim=1), log_det=ExactLogDet()
        ),
        "residual-conv2d": lambda: InvertibleResidual(
            ContractiveNetwork(1, [3, 3], dim=2, padding_mode="circular", activation=LipSwish),
            log_det=ExactLogDet(),
        ),
        "residual-conv2d-conditioned": lambda: InvertibleResidual(
            ContractiveNetwork(2, [3], dim=2, context_features=1),
            log_det=ExactLogDet(),
            context_features=1,
        ),
        "residual-conv3d": lambda: InvertibleResidual(
            ContractiveNetwork(1, [2], dim=3), log_det=ExactLogDet()
        ),
    }.items()
}

SHAPES: dict[str, tuple[int, ...]] = {
    "residual-dense": (4,),
    "residual-dense-plain-iteration": (3,),
    "residual-dense-spectral": (3,),
    "residual-dense-bounded": (3,),
    "residual-dense-long-series": (3,),
    "residual-dense-conditioned": (3,),
    "residual-dense-mixed-norms": (3,),
    "residual-conv1d": (2, 5),
    "residual-conv2d": (1, 3, 4),
    "residual-conv2d-conditioned": (2, 2, 3),
    "residual-conv3d": (1, 3, 2, 2),
}

CONTEXTS: dict[str, tuple[int, ...]] = {
    "residual-dense-conditioned": (2,),
    "residual-conv2d-conditioned": (1, 2, 3),
}
