"""Multilevel training: few steps on coarse images first, then twice as many on finer ones."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import darboux as dx
from darboux.control import prolong, prolong_kernels
from reproductions.rotated_images.digits import digits_without_nine, turned

_FINE = 32  # pixels a side
_ZOOM = 3.5  # of them for each pixel of the source
_CHANNELS, _HORIZON, _BATCH, _RATE = 8, 2.0, 64, 3e-3
_EVERY = 20  # steps between looks at the test images


@dataclass(frozen=True)
class Level:
    """A part of a training."""

    pixels: int  # a side
    depth: int  # steps of the flow
    updates: int


@dataclass(frozen=True)
class Curve:
    """What a training reached, and when."""

    seconds: tuple[float, ...]  # of the processor, coarser levels included
    losses: tuple[float, ...]  # on the fine test images
    accuracies: tuple[float, ...]


def trained(levels: list[Level], *, seed: int) -> Curve:
    """Return the losses of the finest level, after training the coarser ones."""
    training, test = digits_without_nine()
    fine = turned(training.images, 0.0, side=_FINE, zoom=_ZOOM)
    judged = turned(test.images, 0.0, side=_FINE, zoom=_ZOOM), test.classes
    generator = torch.Generator().manual_seed(seed)
    network = _network(levels[0].depth, seed)
    curve: list[tuple[float, float, float]] = []
    spent = 0.0
    for k, level in enumerate(levels):
        start = time.process_time()
        if k > 0:
            network = _finer(network, levels[k - 1], level)
        images = F.avg_pool2d(fine, _FINE // level.pixels)
        adam = torch.optim.Adam(network.parameters(), lr=_RATE)
        spent += time.process_time() - start
        for update in range(level.updates):
            start = time.process_time()
            rows = torch.randint(len(images), (_BATCH,), generator=generator)
            loss = F.cross_entropy(network(images[rows]), training.classes[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            spent += time.process_time() - start
            if level.pixels == _FINE and (update + 1) % _EVERY == 0:
                curve.append((spent, *_judged(network, *judged)))
    return Curve(*(tuple(column) for column in zip(*curve, strict=True)))


def _network(depth: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    fields = [_field() for _ in range(depth)]
    return nn.Sequential(
        dx.linear.Conv(1, _CHANNELS, kernel_size=3, dim=2, padding_mode="zeros"),
        dx.Flow(fields, dx.integrators.Euler(), horizon=_HORIZON),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16 * _CHANNELS, 10),
    )


def _field() -> dx.fields.ResidualField:
    conv = dx.linear.Conv(_CHANNELS, _CHANNELS, kernel_size=3, dim=2, padding_mode="zeros")
    return dx.fields.ResidualField(conv, dx.activations.Tanh())


def _finer(network: nn.Sequential, before: Level, after: Level) -> nn.Sequential:
    """Return the network with more steps, for finer images."""
    found = prolong_kernels(network) if after.pixels > before.pixels else network
    flow = found[1]
    assert isinstance(flow, dx.Flow)
    found[1] = prolong(flow, after.depth // before.depth)
    return found


@torch.no_grad()
def _judged(network: nn.Module, images: Tensor, classes: Tensor) -> tuple[float, float]:
    scores = network(images)
    right = (scores.argmax(dim=1) == classes).double().mean()
    return float(F.cross_entropy(scores, classes)), float(right)
