"""A classifier whose features flow by Hamiltonian layers, and how it is made deeper."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from darboux.activations import Tanh
from darboux.fields import HamiltonianField
from darboux.flow import Flow
from darboux.integrators import StormerVerlet
from darboux.linear import Dense
from reproductions.deep_hamiltonian.data import Labelled


@final
class HamiltonianNetwork(nn.Module):
    """A flow of Hamiltonian layers by Störmer-Verlet, and a linear read-out of two classes.

    z is the point with zero channels appended and (θ_k) is constant on each of K layers of
    the horizon T, so that a network of more layers is a finer discretisation of the same.

    Shapes: x is (batch, features), features even; the scores are (batch,).

    Source: section 2.1.2; Chang et al. 2018.

    Args:
        fields: one Hamiltonian field per layer.
        readout: features -> 1.
        horizon: T.

    Example:
        >>> network = HamiltonianNetwork.new(4, features=4, units=3, horizon=1.0)
        >>> network(torch.zeros(5, 4, dtype=torch.float64)).shape
        torch.Size([5])
    """

    def __init__(
        self, fields: list[HamiltonianField], readout: nn.Linear, *, horizon: float
    ) -> None:
        super().__init__()
        self.flow = Flow(fields, StormerVerlet(), horizon=horizon)
        self.readout = readout
        self.horizon = horizon

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
        fields = [copy.deepcopy(f) for f in self._fields() for _ in range(times)]
        return HamiltonianNetwork(fields, copy.deepcopy(self.readout), horizon=self.horizon)

    def _fields(self) -> list[HamiltonianField]:
        return [field for field in self.flow.fields if isinstance(field, HamiltonianField)]


def loss_of(network: Callable[[Tensor], Tensor], data: Labelled, features: int) -> Tensor:
    """Return the mean logistic loss, ().

    Args:
        network: (batch, features) -> scores (batch,).
        data: points and classes.
        features: of the network.

    Example:
        >>> data = Labelled(torch.zeros(1, 2), torch.zeros(1))
        >>> loss_of(lambda x: x[:, 0], data, 4)
        tensor(0.6931)
    """
    return binary_cross_entropy_with_logits(network(data.lifted(features)), data.classes)


def accuracy_of(network: Callable[[Tensor], Tensor], data: Labelled, features: int) -> float:
    """Return the share of points whose score has the right sign.

    Args:
        network: (batch, features) -> scores (batch,).
        data: points and classes.
        features: of the network.

    Example:
        >>> data = Labelled(torch.ones(1, 2), torch.ones(1))
        >>> accuracy_of(lambda x: x[:, 0], data, 4)
        1.0
    """
    with torch.no_grad():
        scores = network(data.lifted(features))
    return float(((scores > 0) == (data.classes > 0.5)).double().mean())


def train(
    network: nn.Module, data: Labelled, features: int, *, steps: int, rate: float
) -> list[float]:
    """Train on all points at once with Adam, the rate rising and falling, and return the losses.

    Args:
        network: changed in place.
        data: points and classes.
        features: of the network.
        steps: of the optimiser.
        rate: the highest learning rate.

    Example:
        >>> network = HamiltonianNetwork.new(2, features=4, units=3, horizon=1.0)
        >>> data = Labelled(torch.ones(1, 2).double(), torch.ones(1).double())
        >>> losses = train(network, data, 4, steps=5, rate=0.1)
        >>> losses[-1] < losses[0]
        True
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = loss_of(network, data, features)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return losses
