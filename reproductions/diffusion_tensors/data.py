"""Random fields of diffusion tensors, and the scan that comes with dipy."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

_BUNDLES = 2
_GREY, _WATER = (0.7, 1.0), (2.7, 3.2)  # diffusivities, µm²/ms
_CUT = 4.0  # how steeply one tissue passes into the other, per standard deviation


class Fields(NamedTuple):
    """Random pieces of tissue."""

    tensors: Tensor  # (count, side, side, side, 3, 3), µm²/ms
    unweighted: Tensor  # S₀, (count, side, side, side), about 1 in white matter


def tissue(count: int, *, side: int, generator: Generator | None = None) -> Fields:
    """Draw bundles of fibres that bend and cross, grey matter and water, one passing into another.

    Along fibres the diffusivity is 1.4 to 2 µm²/ms, across them 0.15 to 0.5, in grey matter 0.7
    to 1 and in water 2.7 to 3.2; where several meet in a voxel tensors are averaged.
    """
    shares = _shares(count, side, generator)
    kinds = [*(_bundle(count, side, generator) for _ in range(_BUNDLES))]
    kinds += [_between(count, side, *ends, generator) * torch.eye(3) for ends in (_GREY, _WATER)]
    tensors = torch.einsum("nkxyz,knxyzij->nxyzij", shares, torch.stack(kinds))
    brightness = torch.tensor([*(1.0,) * _BUNDLES, 1.25, 2.5])
    shading = 1 + 0.1 * _smooth(count, 1, side, 8.0, generator)[:, 0]
    return Fields(tensors, shading * torch.einsum("nkxyz,k->nxyz", shares, brightness))


def _shares(count: int, side: int, generator: Generator | None) -> Tensor:
    """Return how much of each voxel is of which kind, (count, kinds, side, side, side)."""
    heights = _smooth(count, _BUNDLES + 2, side, 2.0, generator)
    heights[:, -1] -= 0.5  # less water than tissue
    return (_CUT * heights).softmax(dim=1)


def _bundle(count: int, side: int, generator: Generator | None) -> Tensor:
    """Return tensors of fibres whose direction bends slowly, (count, side, side, side, 3, 3)."""
    bend = _smooth(count, 3, side, 6.0, generator).movedim(1, -1)
    mean = F.normalize(torch.randn(count, 1, 1, 1, 3, generator=generator), dim=-1)
    along = F.normalize(mean + 0.4 * bend, dim=-1)
    largest = _between(count, side, 1.4, 2.0, generator)
    least = _between(count, side, 0.15, 0.5, generator)
    lines = along[..., :, None] * along[..., None, :]
    return least * torch.eye(3) + (largest - least) * lines


def _between(count: int, side: int, low: float, high: float, generator: Generator | None) -> Tensor:
    """Return slowly varying numbers from an interval, (count, side, side, side, 1, 1)."""
    wave = torch.special.ndtr(_smooth(count, 1, side, 4.0, generator))
    return (low + (high - low) * wave)[:, 0, ..., None, None]


def _smooth(
    count: int, channels: int, side: int, width: float, generator: Generator | None
) -> Tensor:
    """Return normal noise smoothed by a Gaussian, of variance 1: (count, channels, *side)."""
    margin = math.ceil(2 * width)
    noise = torch.randn(count, channels, *(side + 2 * margin,) * 3, generator=generator)
    taps = torch.arange(-margin, margin + 1) / width
    weights = (-taps.square() / 2).exp()
    weights = weights / weights.square().sum().sqrt()
    wave = noise.flatten(0, 1)[:, None]
    for axis in range(3):
        shape = [1] * 5
        shape[2 + axis] = len(weights)
        wave = F.conv3d(wave, weights.reshape(shape))
    return wave.reshape(count, channels, *(side,) * 3)
