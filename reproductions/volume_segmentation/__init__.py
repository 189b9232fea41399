"""An invertible U-Net that segments volumes where an ordinary one runs out of memory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from darboux.data import ellipsoids
from reproductions.common.result import Result
from reproductions.common.sizes import kept_bytes
from reproductions.volume_segmentation.networks import (
    CLASSES,
    INVERTIBLE,
    PLAIN,
    Volumes,
    dice,
    loss_of,
    segmented,
    threshold_dice,
    train,
    unet,
)
from reproductions.volume_segmentation.peak_memory import measured_steps
from reproductions.volume_segmentation.pictures import draw_memory, draw_slices
from reproductions.volume_segmentation.statements import (
    Measured,
    Size,
    as_large,
    learned,
    limited,
    spares,
)

_LEAD = (
    "A three-dimensional U-Net whose whole body is invertible learns to tell round from long "
    "ellipsoids of the same brightness in noisy volumes. It keeps no activations: what it needs "
    "for gradients it computes backwards. An ordinary U-Net of the same size keeps them all, and "
    "runs out of memory under a limit that the invertible one bears."
)
_SHOWN, _OBJECTS = 4, 6
_NAMES = {1: "round", 2: "long"}


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
    steps=90,
    channels=8,
    depth=(6, 1),
    sides=(16, 24),
    limit=44 * 2**20,
    dice=0.6,
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train the invertible U-Net, and measure what steps at larger sizes take.

    Source: section 4.2.2; Etmann, Ke, Schönlieb 2020, iUNets.
    """
    size = _QUICK if quick else _FULL
    generator = torch.Generator().manual_seed(seed)
    training, held_out, large = _data(size, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = unet(INVERTIBLE, size.channels, size.depth)
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
            **_memory_numbers(size, kept),
        },
        costs=_peaks(size, steps),
        statements=[
            *learned(scores, size),
            as_large(size),
            *limited(size, steps),
            *spares(kept),
        ],
        figures={
            draw_slices(*_middles(held_out, found), out / "slices.png"): (
                "Slices of held-out volumes of the size of the training, the true classes, and "
                "those that the network found."
            ),
            draw_slices(*_slices(large, wide), out / "large.png"): (
                f"The same, in slices of a volume of {size.sides[-1]}³ voxels."
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


def _middles(data: Volumes, found: Tensor) -> tuple[Volumes, Tensor]:
    """Return the middle slices of some volumes."""
    middle = found.shape[1] // 2
    shown = Volumes(data.volumes[:_SHOWN, :, middle], data.classes[:_SHOWN, middle])
    return shown, found[:_SHOWN, middle]


def _slices(data: Volumes, found: Tensor) -> tuple[Volumes, Tensor]:
    """Return some slices of the first volume."""
    side = found.shape[1]
    places = [(k + 1) * side // (_SHOWN + 1) for k in range(_SHOWN)]
    shown = Volumes(data.volumes[0, 0, places][:, None], data.classes[0, places])
    return shown, found[0, places]


def _scores(found: Tensor, data: Volumes) -> dict[int, float]:
    """Return the Dice score of each class but the background."""
    return {k: dice(found == k, data.classes == k) for k in range(1, CLASSES)}


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
            network = unet(name, size.channels, depth)
            sizes.append(kept_bytes(network, partial(_loss, network, volumes, classes)))
        found[name] = (sizes[0], sizes[1])
    return found


def _loss(network: nn.Module, volumes: Tensor, classes: Tensor) -> Tensor:
    return loss_of(network(volumes), classes)


def _peaks(size: Size, steps: Measured) -> dict[str, float]:
    """Return the memory that the system gave, which is never twice the same."""
    peaks: dict[str, float] = {}
    for name, found in ((f"{INVERTIBLE} (under the limit)", steps.mine), (PLAIN, steps.plain)):
        for side, peak in zip(size.sides, found.peaks, strict=False):
            peaks[f"peak of a step, {name}, {side}³, MiB"] = peak / 2**20
    return peaks


def _memory_numbers(size: Size, kept: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """Return the limit, and what is kept for gradients."""
    numbers: dict[str, float] = {"limit, MiB": size.limit / 2**20}
    for name, counts in kept.items():
        for words, count in zip(("", ", twice as deep"), counts, strict=True):
            numbers[f"kept for gradients, {name}{words}, MiB"] = count / 2**20
    return numbers
