"""The statements about the segmentation of volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reproductions.common.result import Statement
from reproductions.common.sizes import parameter_count, same_size
from reproductions.volume_segmentation.networks import INVERTIBLE, PLAIN, unet
from reproductions.volume_segmentation.peak_memory import Steps
from reproductions.volume_segmentation.training_step import BATCH


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    side: int  # of the volumes of the training
    volumes: int  # to learn from
    held_out: int  # to judge by
    steps: int  # of the training
    channels: int  # of the networks
    depth: tuple[int, ...]  # of the ordinary network
    # of the volumes of the memory measurements; the limit holds for the last
    sides: tuple[int, ...]
    limit: int  # bytes that a step may take
    dice: float  # the mean score that is required


@dataclass(frozen=True)
class Measured:
    """The memory that training steps took."""

    mine: Steps  # of the invertible network, under the limit
    plain: Steps  # of the ordinary network, without it
    refused: Steps  # of the ordinary network, under the limit, at the largest size alone


def learned(scores: Mapping[str, Mapping[int, float]], size: Size) -> list[Statement]:
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


def as_large(size: Size) -> Statement:
    """Return whether both networks have as many parameters."""
    counts = {
        name: parameter_count(unet(name, size.channels, size.depth)) for name in (INVERTIBLE, PLAIN)
    }
    text = "both networks have the same number of parameters to within 5 %"
    return same_size(counts, text)


def limited(size: Size, steps: Measured) -> list[Statement]:
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


def spares(kept: Mapping[str, tuple[int, int]]) -> list[Statement]:
    """Return what the bytes that are kept for gradients say."""
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


def _mean(scores: Mapping[int, float]) -> float:
    return sum(scores.values()) / len(scores)
