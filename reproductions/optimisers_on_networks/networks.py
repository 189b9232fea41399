"""The networks and the optimisers that train them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

import darboux as dx
from darboux.optim import KFAC, RelativisticGradientDescent

Network = Callable[[], nn.Module]
Setting = Mapping[str, Any]  # of numbers

EVERY = 5  # steps between two measurements of K-FAC


def dense(inputs: int, width: int) -> nn.Sequential:
    """Return two hidden layers with tanh."""
    return nn.Sequential(
        *(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()),
        nn.Linear(width, 10),
    )


def orthogonal(inputs: int, width: int) -> nn.Sequential:
    """Return the same network with an orthogonal matrix in the middle."""
    network = dense(inputs, width)
    constraint = dx.linear.Orthogonal("cayley")
    nn.utils.parametrize.register_parametrization(network[2], "weight", constraint)
    return network


def convolutional(channels: int) -> nn.Sequential:
    """Return two convolutions with stride 2, and a dense layer, for 28 x 28 pixels."""
    return nn.Sequential(
        *(nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, channels, 5, stride=2), nn.ReLU()),
        *(nn.Conv2d(channels, 2 * channels, 5, stride=2), nn.ReLU(), nn.Flatten()),
        nn.Linear(2 * channels * 16, 10),
    )


@dataclass(frozen=True)
class Competitor:
    """An optimiser, and the settings among which it is tuned: as many for each."""

    name: str
    build: Callable[[nn.Module, Setting], Sequence[torch.optim.Optimizer]]
    settings: Sequence[Setting]


def _settings(**values: Sequence[float]) -> list[Setting]:
    return [dict(zip(values, each, strict=True)) for each in product(*values.values())]


def _sgd(network: nn.Module, setting: Setting) -> list[torch.optim.Optimizer]:
    return [torch.optim.SGD(network.parameters(), momentum=0.9, **setting)]


def _adam(network: nn.Module, setting: Setting) -> list[torch.optim.Optimizer]:
    return [torch.optim.Adam(network.parameters(), **setting)]


def _muon(network: nn.Module, setting: Setting) -> list[torch.optim.Optimizer]:
    """Return Muon for matrices, and Adam for the other parameters, for which it is not made."""
    matrices = [p for p in network.parameters() if p.ndim == 2]
    others = [p for p in network.parameters() if p.ndim != 2]
    return [
        torch.optim.Muon(matrices, weight_decay=0.0, **setting),
        torch.optim.Adam(others, lr=setting["lr"] / 10),
    ]


def _relativistic(network: nn.Module, setting: Setting) -> list[torch.optim.Optimizer]:
    return [RelativisticGradientDescent(network.parameters(), momentum=0.9, order=1, **setting)]


def _kfac(network: nn.Module, setting: Setting) -> list[torch.optim.Optimizer]:
    return [KFAC(network, nn.CrossEntropyLoss(), momentum=0.9, strict=True, **setting)]


COMPETITORS = (
    Competitor("SGD", _sgd, _settings(lr=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5])),
    Competitor("Adam", _adam, _settings(lr=[5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2])),
    Competitor("Muon", _muon, _settings(lr=[2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1])),
    Competitor("relativistic", _relativistic, _settings(lr=[0.05, 0.2, 0.5], delta=[1.0, 10.0])),
    Competitor("K-FAC", _kfac, _settings(lr=[0.01, 0.03, 0.1], damping=[3e-3, 3e-2])),
)


def measure(optimizers: Iterable[torch.optim.Optimizer], x: Tensor, step: int) -> None:
    """Renew a metric if there is one, and it is time."""
    for optimizer in optimizers:
        if isinstance(optimizer, KFAC) and step % EVERY == 0:
            optimizer.measure(x)
