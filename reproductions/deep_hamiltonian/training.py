"""The training of the deep Hamiltonian network: few layers first, then many."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reproductions.deep_hamiltonian.data import Labelled, swiss_roll
from reproductions.deep_hamiltonian.networks import (
    HamiltonianNetwork,
    accuracy_of,
    loss_of,
    train,
)

FEATURES, HORIZON = 8, 2.0
_UNITS, _RATE = 16, 0.03


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    coarse: int  # layers of the first training
    times: int  # how many times as many there are in the second
    steps: int  # of the first training
    more: int  # steps of the second
    accuracy: float  # that is required in the end

    @property
    def layers(self) -> int:
        """K of the prolonged network."""
        return self.coarse * self.times


@dataclass(frozen=True)
class Trained:
    """The networks and how they came about."""

    coarse: HamiltonianNetwork  # the network of few layers
    deep: HamiltonianNetwork  # the prolonged one, trained on
    data: Labelled  # points to learn from
    held_out: Labelled  # points to judge by
    losses: list[float]  # of the first training, one for each step
    prolonged: float  # held-out accuracy of the prolonged network before it is trained on
    more: list[float]  # losses of the second training

    def accuracy(self) -> float:
        """Return the accuracy of the deep network."""
        return accuracy_of(self.deep, self.held_out, FEATURES)

    def loss(self) -> float:
        """Return the training loss of the deep network."""
        return loss_of(self.deep, self.data, FEATURES).item()


def trained_network(size: Size) -> Trained:
    """Train with few layers, prolong, and train on."""
    data, held_out = swiss_roll()
    coarse = HamiltonianNetwork.new(size.coarse, features=FEATURES, units=_UNITS, horizon=HORIZON)
    losses = train(coarse, data, FEATURES, steps=size.steps, rate=_RATE)
    deep = coarse.prolonged(size.times)
    prolonged = accuracy_of(deep, held_out, FEATURES)
    more = train(deep, data, FEATURES, steps=size.more, rate=_RATE / 20)
    return Trained(coarse, deep, data, held_out, losses, prolonged, more)


def gradient_norms(network: HamiltonianNetwork, data: Labelled) -> Tensor:
    """Return the norm of the gradient of the loss in the parameters of every layer, (K,)."""
    layers = [list(field.parameters()) for field in network.flow.fields]
    loss = loss_of(network, data, FEATURES)
    gradients = torch.autograd.grad(loss, [p for layer in layers for p in layer])
    each = len(layers[0])
    squares = torch.stack([gradient.square().sum() for gradient in gradients])
    return squares.reshape(-1, each).sum(dim=1).sqrt()
