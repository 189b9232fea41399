"""The training of networks on phases of random terrain."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from darboux.manifolds import Circle
from darboux.solvers import descend
from reproductions.interferogram.data import COHERENCE, Phases, terrain_phases, with_noise
from reproductions.interferogram.networks import AngleNetwork, CircleNetwork


@dataclass(frozen=True)
class Setting:
    """How networks are trained and judged."""

    iterations: int  # of Adam
    width: int  # complex channels of the network that commutes with shifts
    ordinary: int  # channels of the others, which makes them as large
    steps: int  # residual steps
    runs: int  # of each network
    tile: int  # side of the parts that errors are taken from
    image: int  # largest side of the elevation model that is used
    batch: int = 8  # images of an iteration
    side: int = 32  # of the images
    rate: float = 5e-3  # the largest step size of Adam


@dataclass(frozen=True)
class Trained:
    """A trained network."""

    network: CircleNetwork | AngleNetwork
    losses: list[float]  # of each iteration
    seconds: float  # of processor time


def trained(network: CircleNetwork | AngleNetwork, setting: Setting, *, seed: int) -> Trained:
    """Train a network; equal seeds see equal images, each drawn afresh.

    On the circle the loss is the mean distance d(Ψ(x), y), for numbers |Ψ(x) - y|.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=setting.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, setting.rate, setting.iterations)

    def loss(phases: Phases) -> Tensor:
        found = network(phases.noisy)
        if isinstance(network, AngleNetwork):
            return (found - phases.clean).abs().mean()
        return Circle().dist(found, phases.clean).mean()

    begin = time.process_time()
    batches = (phases_of(setting, generator) for _ in range(setting.iterations))
    losses = descend(optimiser, loss, batches, schedule=schedule)
    network.eval()
    return Trained(network, losses, time.process_time() - begin)


def phases_of(setting: Setting, generator: Generator) -> Phases:
    """Return a minibatch of random terrain with noise of random coherence."""
    low, high = COHERENCE
    coherence = low + (high - low) * torch.rand(setting.batch, generator=generator)
    clean = terrain_phases(setting.batch, side=setting.side, generator=generator)
    return with_noise(clean, coherence, generator)
