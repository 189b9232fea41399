"""An invertible U-Net that segments volumes where an ordinary one runs out of memory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from darboux.data import ellipsoids
from darboux.experiments.kept_bytes import kept_bytes
from darboux.experiments.peak_memory import Steps, measured_steps
from darboux.experiments.result import Result, Statement
from darboux.experiments.segmentation_pictures import draw_memory, draw_slices
from darboux.experiments.segmentation_training import (
    Volumes,
    dice,
    loss_of,
    segmented,
    threshold_dice,
    train,
)
from darboux.experiments.training_step import BATCH
from darboux.experiments.volume_networks import CLASSES, INVERTIBLE, PLAIN, volume_network

_LEAD = (
    "A three-dimensional U-Net whose whole body is invertible learns to tell round from long "
    "ellipsoids of the same brightness in noisy volumes. It keeps no activations: what it needs "
    "for gradients it computes backwards. An ordinary U-Net of the same size keeps them all, and "
    "runs out of memory under a limit that the invertible one bears."
)
_SHOWN, _OBJECTS = 4, 6
_NAMES = {1: "round", 2: "long"}


@dataclass(frozen=True)
class Size:
    """How large the experiment is.

    Args:
        side: of the volumes of the training.
        volumes: to learn from.
        held_out: to judge by.
        steps: of the training.
        channels: of the networks.
        depth: of the ordinary network.
        sides: of the volumes of the memory measurements; the limit holds for the last.
        limit: bytes that a step may take.
        dice: the mean score that is required.
    """

    side: int
    volumes: int
    held_out: int
    steps: int
    channels: int
    depth: tuple[int, ...]
    sides: tuple[int, ...]
    limit: int
    dice: float


@dataclass(frozen=True)
class Measured:
    """The memory that training steps took.

    Args:
        mine: of the invertible network, under the limit.
        plain: of the ordinary network, without it.
        refused: of the ordinary network, under the limit, at the largest size alone.
    """

    mine: Steps
    plain: Steps
    refused: Steps


_FULL = Size(
    side=24,
    volumes=128,
    held_out=32,
    steps=250,
    channels=8,
    depth=(8, 2, 2),
    sides=(24, 32, 40, 48),
    limit=416 * 2**20,
    dice=0.85,
)
_QUICK = Size(
    side=16,
    volumes=32,
    held_out=16,
    steps=80,
    channels=8,
    depth=(4, 1),
    sides=(16, 24, 32),
    limit=80 * 2**20,
    dice=0.6,
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train the invertible U-Net, and measure what steps at larger sizes take.

    Source: section 4.2.2; Etmann, Ke, Schönlieb 2020, iUNets.

    Args:
        out: a folder that exists.
        quick: smaller volumes, fewer steps.
        seed: of weights and volumes.

    Raises:
        OSError: if the system is not Linux, where the memory limit can be set.

    Example:
        >>> run.__doc__.splitlines()[0]
        'Train the invertible U-Net, and measure what steps at larger sizes take.'
    """
    size = _QUICK if quick else _FULL
    generator = torch.Generator().manual_seed(seed)
    training, held_out, large = _data(size, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = volume_network(INVERTIBLE, size.channels, size.depth)
    losses = train(network, training, steps=size.steps, rate=0.01, seed=seed)
    found, wide = segmented(network, held_out.volumes), segmented(network, large.volumes)
    scores = {
        "found": _scores(found, held_out),
        "found in large volumes": _scores(wide, large),
        "best threshold": {k: threshold_dice(held_out, k) for k in _NAMES},
    }
    steps = _steps(size, network)
    kept = _kept(size)
    return Result(
        title=f"An invertible U-Net segments volumes of {size.sides[-1]}³ voxels",
        lead=_LEAD,
        numbers={
            "training steps": size.steps,
            "last training loss": sum(losses[-10:]) / 10,
            **{f"Dice, {who}, {_NAMES[k]}": v for who, of in scores.items() for k, v in of.items()},
            **_memory_numbers(size, steps, kept),
        },
        statements=[
            *_learned(scores, size),
            _same_size(size),
            *_limited(size, steps),
            *_spares(kept),
        ],
        figures={
            draw_slices(_first(held_out), found[:_SHOWN], out / "slices.png"): (
                "Slices of held-out volumes of the size of the training, the true classes, and "
                "those that the network found."
            ),
            draw_slices(_first(large, 1), wide[:1], out / "large.png"): (
                f"The same in a volume of {size.sides[-1]}³ voxels."
            ),
            draw_memory(
                size.sides,
                {INVERTIBLE: steps.mine.peaks, PLAIN: steps.plain.peaks},
                size.limit,
                out / "memory.png",
            ): "Peak memory of a training step, beyond what the process had before, by size.",
        },
    )


def _data(size: Size, generator: torch.Generator) -> tuple[Volumes, Volumes, Volumes]:
    """Return volumes to learn from, to judge by, and large ones with objects of the same size."""
    side, wide = size.side, size.sides[-1]
    counts = (size.volumes, size.held_out)
    small = [
        Volumes(*ellipsoids(n, size=(side,) * 3, objects=_OBJECTS, generator=generator))
        for n in counts
    ]
    many = round(_OBJECTS * (wide / side) ** 3)
    large = ellipsoids(2, size=(wide,) * 3, objects=many, length=side, generator=generator)
    return small[0], small[1], Volumes(*large)


def _first(data: Volumes, count: int = _SHOWN) -> Volumes:
    return Volumes(data.volumes[:count], data.classes[:count])


def _scores(found: Tensor, data: Volumes) -> dict[int, float]:
    """Return the Dice score of each class but the background."""
    return {k: dice(found == k, data.classes == k) for k in range(1, CLASSES)}


def _mean(scores: Mapping[int, float]) -> float:
    return sum(scores.values()) / len(scores)


def _steps(size: Size, network: nn.Module) -> Measured:
    """Return steps of the plain network without the limit, and of both with it."""
    step = partial(measured_steps, channels=size.channels, depth=size.depth)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        torch.save(network.state_dict(), weights)
        mine = step(INVERTIBLE, sides=size.sides, limit=size.limit, weights=weights)
    return Measured(
        mine=mine,
        plain=step(PLAIN, sides=size.sides),
        refused=step(PLAIN, sides=size.sides[-1:], limit=size.limit),
    )


def _kept(size: Size) -> dict[str, tuple[int, int]]:
    """Return the bytes kept for gradients at the depth and at twice the depth."""
    found = {}
    volumes, classes = ellipsoids(2, size=(size.side,) * 3)
    for name in (INVERTIBLE, PLAIN):
        sizes = []
        for times in (1, 2):
            depth = [times * blocks for blocks in size.depth]
            network = volume_network(name, size.channels, depth)
            sizes.append(kept_bytes(network, partial(_loss, network, volumes, classes)))
        found[name] = (sizes[0], sizes[1])
    return found


def _loss(network: nn.Module, volumes: Tensor, classes: Tensor) -> Tensor:
    return loss_of(network(volumes), classes)


def _memory_numbers(
    size: Size, steps: Measured, kept: Mapping[str, tuple[int, int]]
) -> dict[str, float]:
    """Return what was measured of memory."""
    numbers: dict[str, float] = {"limit, MiB": size.limit / 2**20}
    for name, found in ((f"{INVERTIBLE} (under the limit)", steps.mine), (PLAIN, steps.plain)):
        for side, peak in zip(size.sides, found.peaks, strict=False):
            numbers[f"peak of a step, {name}, {side}³, MiB"] = peak / 2**20
    for name, counts in kept.items():
        for words, count in zip(("", ", twice as deep"), counts, strict=True):
            numbers[f"kept for gradients, {name}{words}, MiB"] = count / 2**20
    return numbers


def _learned(scores: Mapping[str, Mapping[int, float]], size: Size) -> list[Statement]:
    """Return what the scores say."""
    mine, bright = _mean(scores["found"]), _mean(scores["best threshold"])
    large = _mean(scores["found in large volumes"])
    return [
        Statement(f"mean Dice score above {size.dice}", f"{mine:.3f}", holds=mine > size.dice),
        Statement(
            "0.1 above what the best thresholds of brightness reach",
            f"{mine:.3f} and {bright:.3f}",
            holds=mine > bright + 0.1,
        ),
        Statement(
            f"also in volumes of {size.sides[-1]}³ voxels, larger than any of the training",
            f"{large:.3f}",
            holds=large > bright + 0.1,
        ),
    ]


def _same_size(size: Size) -> Statement:
    mine, plain = (
        sum(p.numel() for p in volume_network(name, size.channels, size.depth).parameters())
        for name in (INVERTIBLE, PLAIN)
    )
    text = "both networks have the same number of parameters to within 5 %"
    return Statement(text, f"{mine} and {plain}", holds=abs(mine / plain - 1) < 0.05)


def _limited(size: Size, steps: Measured) -> list[Statement]:
    """Return what happened under the limit."""
    where = f"{BATCH} volumes of {size.sides[-1]}³ voxels and {size.limit / 2**20:.0f} MiB"
    mine, plain = (found.peaks[-1] / 2**20 for found in (steps.mine, steps.plain))
    return [
        Statement(
            f"the plain U-Net runs out of memory at {where}",
            f"{plain:.0f} MiB without the limit, with it: {steps.refused.error or 'no error'}",
            holds=bool(steps.refused.error),
        ),
        Statement(
            f"the invertible U-Net makes its training step at {where}",
            steps.mine.error or f"its peak is {mine:.0f} MiB",
            holds=not steps.mine.error,
        ),
    ]


def _spares(kept: Mapping[str, tuple[int, int]]) -> list[Statement]:
    """Return what is kept for gradients."""
    (mine, mine_deep), (plain, plain_deep) = kept[INVERTIBLE], kept[PLAIN]
    return [
        Statement(
            "the invertible U-Net keeps no more for gradients when it is twice as deep",
            f"{mine / 2**20:.2f} MiB and {mine_deep / 2**20:.2f} MiB",
            holds=mine_deep <= 1.05 * mine,
        ),
        Statement(
            "the plain U-Net keeps nearly twice as much",
            f"{plain / 2**20:.1f} MiB and {plain_deep / 2**20:.1f} MiB",
            holds=plain_deep > 1.7 * plain,
        ),
    ]
