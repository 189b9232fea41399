"""A classifier whose features flow by Hamiltonian layers, and how it is made deeper."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from darboux.activations import Tanh
from darboux.control import prolong
from darboux.fields import HamiltonianField
from darboux.flow import Flow
from darboux.integrators import StormerVerlet
from darboux.linear import Dense
from darboux.solvers import descend
from reproductions.deep_hamiltonian.data import Labelled


@final
class HamiltonianNetwork(nn.Module):
    """A flow of Hamiltonian layers by Störmer-Verlet, and a linear read-out of two classes.

    z is the point with zero channels appended and (θ_k) is constant on each of K layers of
    the horizon T, so that a network of more layers is a finer discretisation of the same.

    Shapes: x is (batch, features), features even; the scores are (batch,).

    Source: section 2.1.2; Chang et al. 2018.
    """

    def __init__(
        self, fields: list[HamiltonianField], readout: nn.Linear, *, horizon: float
    ) -> None:
        super().__init__()
        self.flow = Flow(fields, StormerVerlet(), horizon=horizon)
        self.readout = readout

    @staticmethod
    def new(layers: int, *, features: int, units: int, horizon: float) -> HamiltonianNetwork:
        """Return a network with random weights, in float64."""
        half = features // 2
        fields = [
            HamiltonianField(Dense(half, units), Dense(half, units), Tanh()) for _ in range(layers)
        ]
        return HamiltonianNetwork(fields, nn.Linear(features, 1), horizon=horizon).double()

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, positive for class 1."""
        scores: Tensor = self.readout(self.flow(x))
        return scores[:, 0]

    def prolonged(self, times: int) -> HamiltonianNetwork:
        """Return a copy with as many times the layers, T unchanged, θ piecewise constant."""
        found = copy.deepcopy(self)
        found.flow = prolong(self.flow, times)
        return found


def loss_of(network: Callable[[Tensor], Tensor], data: Labelled, features: int) -> Tensor:
    """Return the mean logistic loss, ()."""
    return binary_cross_entropy_with_logits(network(data.lifted(features)), data.classes)


def accuracy_of(network: Callable[[Tensor], Tensor], data: Labelled, features: int) -> float:
    """Return the share of points whose score has the right sign."""
    with torch.no_grad():
        scores = network(data.lifted(features))
    return float(((scores > 0) == (data.classes > 0.5)).double().mean())


def train(
    network: nn.Module, data: Labelled, features: int, *, steps: int, rate: float
) -> list[float]:
    """Train on all points at once with Adam, the rate rising and falling, and return the losses."""
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    return descend(
        optimiser, lambda x: loss_of(network, x, features), [data] * steps, schedule=schedule
    )
