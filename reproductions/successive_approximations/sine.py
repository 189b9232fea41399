"""The sine, and the residual network that learns it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

import darboux as dx


@dataclass(frozen=True)
class Setting:
    """The network and how long it is trained."""

    layers: int
    points: int  # to learn from, and as many to judge by
    sweeps: int  # of the extended method
    basic: int  # sweeps of the basic method
    steps: int  # of gradient methods, at least
    inner: int  # iterations of L-BFGS in a layer
    nodes: int = 5
    horizon: float = 5.0
    decay: float = 2e-3  # of the squared norm of parameters in time
    noise: float = 5e-3  # of parameters near zero


class Data(NamedTuple):
    """Points and their sines."""

    x: Tensor  # (points, nodes)
    y: Tensor  # (points, 1)
    test: tuple[Tensor, Tensor]


def sine(setting: Setting, *, seed: int) -> Data:
    """Return random points of [-π, π], each repeated on all nodes."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(2, setting.points, 1, generator=generator, dtype=torch.float64)
    x = (2 * x - 1) * math.pi
    (first, second), (y, z) = x.expand(-1, -1, setting.nodes), x.sin()
    return Data(first, y, (second, z))


def loss(z: Tensor, y: Tensor) -> Tensor:
    """Return the mean squared error of the sum of the nodes."""
    return (z.sum(1, keepdim=True) - y).square().mean()


def network(setting: Setting, *, noise: float, seed: int) -> dx.Flow:
    """Return the network with parameters of at most `noise`."""
    generator = torch.Generator().manual_seed(seed + 1)
    nodes = setting.nodes
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(nodes, nodes), dx.activations.Tanh())
        for _ in range(setting.layers)
    ]
    flow = dx.Flow(fields, dx.integrators.Euler(), horizon=setting.horizon).double()
    for p in flow.parameters():
        torch.nn.init.uniform_(p, -noise, noise, generator=generator)
    return flow
