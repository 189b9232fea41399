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
    """How large the experiment is.

    Args:
        coarse: layers of the first training.
        times: how many times as many there are in the second.
        steps: of the first training.
        more: steps of the second.
        accuracy: that is required in the end.

    Example:
        >>> Size(coarse=20, times=50, steps=600, more=10, accuracy=0.95).layers
        1000
    """

    coarse: int
    times: int
    steps: int
    more: int
    accuracy: float

    @property
    def layers(self) -> int:
        """K of the prolonged network."""
        return self.coarse * self.times


@dataclass(frozen=True)
class Trained:
    """The networks and how they came about.

    Args:
        coarse: the network of few layers.
        deep: the prolonged one, trained on.
        data: points to learn from.
        held_out: points to judge by.
        losses: of the first training, one for each step.
        prolonged: held-out accuracy of the prolonged network before it is trained on.
        more: losses of the second training.

    Example:
        >>> size = Size(coarse=2, times=2, steps=3, more=2, accuracy=0.5)
        >>> trained = trained_network(size)
        >>> len(trained.deep.flow.fields), len(trained.losses), len(trained.more)
        (4, 3, 2)
    """

    coarse: HamiltonianNetwork
    deep: HamiltonianNetwork
    data: Labelled
    held_out: Labelled
    losses: list[float]
    prolonged: float
    more: list[float]

    def accuracy(self) -> float:
        """Return the accuracy of the deep network."""
        return accuracy_of(self.deep, self.held_out, FEATURES)

    def loss(self) -> float:
        """Return the training loss of the deep network."""
        return loss_of(self.deep, self.data, FEATURES).item()


def trained_network(size: Size) -> Trained:
    """Train with few layers, prolong, and train on.

    Args:
        size: of networks and trainings.

    Example:
        >>> size = Size(coarse=2, times=3, steps=3, more=2, accuracy=0.5)
        >>> size.layers == len(trained_network(size).deep.flow.fields)
        True
    """
    data, held_out = swiss_roll()
    coarse = HamiltonianNetwork.new(size.coarse, features=FEATURES, units=_UNITS, horizon=HORIZON)
    losses = train(coarse, data, FEATURES, steps=size.steps, rate=_RATE)
    deep = coarse.prolonged(size.times)
    prolonged = accuracy_of(deep, held_out, FEATURES)
    more = train(deep, data, FEATURES, steps=size.more, rate=_RATE / 20)
    return Trained(coarse, deep, data, held_out, losses, prolonged, more)


def gradient_norms(network: HamiltonianNetwork, data: Labelled) -> Tensor:
    """Return the norm of the gradient of the loss in the parameters of every layer, (K,).

    Args:
        network: a classifier.
        data: points and classes.

    Example:
        >>> network = HamiltonianNetwork.new(2, features=8, units=3, horizon=1.0)
        >>> gradient_norms(network, swiss_roll(count=9)[0]).shape
        torch.Size([2])
    """
    layers = [list(field.parameters()) for field in network.flow.fields]
    loss = loss_of(network, data, FEATURES)
    gradients = torch.autograd.grad(loss, [p for layer in layers for p in layer])
    each = len(layers[0])
    squares = torch.stack([gradient.square().sum() for gradient in gradients])
    return squares.reshape(-1, each).sum(dim=1).sqrt()
