"""The channels of each level of a U-Net, invertible or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from darboux.bijections._matrices import Fraction
from darboux.models._classifier import check_depth

Parts = Fraction | Sequence[Fraction] | None


@dataclass(frozen=True)
class Level:
    """One level: its channels, how many of them go down, and its blocks."""

    channels: int
    down: int
    blocks: int


def levels_of(
    name: str, *, channels: int, depth: Sequence[int], split: Parts, dim: int
) -> list[Level]:
    """Return the levels, finest first."""
    # A level of c channels keeps a fraction of them as its skip connection; each of the others
    # becomes 2^dim channels of half the resolution.
    check_depth(name, depth)
    if channels % 2:
        msg = (
            f"{name}: expected an even number of channels, halves for the blocks; got {channels}. "
            f"Use {channels + 1}."
        )
        raise ValueError(msg)
    levels: list[Level] = []
    for fraction, blocks in zip(_fractions(name, split, len(depth) - 1, dim), depth, strict=False):
        levels.append(Level(channels, _down(name, channels, fraction), blocks))
        channels = levels[-1].down * 2**dim
    return [*levels, Level(channels, 0, depth[-1])]


def _fractions(name: str, split: Parts, count: int, dim: int) -> list[float]:
    if split is None:
        return [{1: 0.5, 2: 0.5, 3: 0.75}[dim]] * count
    fractions = [float(split)] * count if isinstance(split, (int, float)) else list(split)
    if len(fractions) != count:
        msg = (
            f"{name}: expected one split, or one for each of the {count} levels that are split "
            f"(all but the last); got {split}."
        )
        raise ValueError(msg)
    return fractions


def _down(name: str, channels: int, fraction: float) -> int:
    down = round(channels * (1 - fraction))
    if not 0 < down < channels or abs(down - channels * (1 - fraction)) > 1e-6:
        msg = (
            f"{name}: expected a split that keeps a whole number of the {channels} channels and "
            f"lets at least one go down; got {fraction}, which lets "
            f"{channels * (1 - fraction):g} go. Use another split, or other channels."
        )
        raise ValueError(msg)
    return down
