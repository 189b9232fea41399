"""Classifiers of stages: the lift, the invertible chain and the head."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import nn

from darboux.bijections import Chain, PixelShuffle
from darboux.gradients import Memory
from darboux.linear import Lift
from darboux.models._networks import MEAN, Build, normalizations
from darboux.models._padding import PadToMultiple


def staged(
    name: str,
    block: Callable[[int, int], list[nn.Module]],
    *,
    in_channels: int,
    classes: int,
    channels: int,
    depth: Sequence[int],
    shuffle: int,
    dim: int,
    memory: Memory,
    activation: Build,
) -> nn.Sequential:
    """Return lift, chain and head of a classifier whose stages are invertible."""
    check_depth(name, depth)
    layers: list[nn.Module] = []
    width = channels
    for stage, count in enumerate(depth):
        if stage:
            layers.append(PixelShuffle(dim=dim))
            width *= 2**dim
        for k in range(count):
            layers += block(width, k)
    multiple = shuffle * 2 ** (len(depth) - 1)
    lift = nn.Sequential(
        PadToMultiple(in_channels, dim=dim, multiple=multiple, name=name),
        Lift(in_channels, channels, dim=dim, shuffle=shuffle),
    )
    parts = {
        "lift": lift,
        "chain": Chain(layers, memory=memory),
        "head": _head(width, classes, dim=dim, activation=activation),
    }
    return nn.Sequential(OrderedDict(parts))


def _head(channels: int, classes: int, *, dim: int, activation: Build) -> nn.Sequential:
    """Return normalisation, activation, mean over all points, affine map."""
    ready = [*normalizations("batch", channels, dim=dim), activation(), MEAN[dim](1)]
    return nn.Sequential(*ready, nn.Flatten(), nn.Linear(channels, classes))


def check_depth(name: str, depth: Sequence[int]) -> None:
    """Refuse networks without stages."""
    if not depth:
        msg = f"{name}: expected a number of blocks for each stage; got depth={tuple(depth)}."
        raise ValueError(msg)
