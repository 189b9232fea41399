"""Interferograms: phases of a real elevation model or of random terrain, and their noise."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.cbook import get_sample_data
from torch import Generator, Tensor

AMBIGUITY = 160.0  # metres of height that turn the phase once
LOOKS = 4  # independent samples that are averaged
COHERENCE = (0.3, 0.8)  # of the training
_SLOPE = (0.2, 1.0)  # radians a pixel, root mean square of random terrain
_DECAY = 3.7  # of the power spectrum, as in the elevation model


class Phases(NamedTuple):
    """Images of angles in (-π, π], (count, height, width)."""

    clean: Tensor
    noisy: Tensor


def elevation_phases() -> Tensor:
    """Return the phases of the elevation model that comes with matplotlib, (1, 344, 403)."""
    with np.load(str(get_sample_data("jacksboro_fault_dem.npz", asfileobj=False))) as file:
        metres = torch.from_numpy(file["elevation"].astype("float32"))
    return wrapped(2 * math.pi / AMBIGUITY * metres)[None]


def terrain_phases(count: int, *, side: int, generator: Generator | None = None) -> Tensor:
    """Return the phases of random fractal terrain, of random roughness, (count, side, side)."""
    double = 2 * side  # half of it is cut off: the whole is periodic
    frequencies = torch.fft.fftfreq(double)
    radius = torch.hypot(frequencies[:, None], frequencies[None, :])
    radius[0, 0] = math.inf
    noise = torch.randn(count, double, double, generator=generator)
    height = torch.fft.ifft2(torch.fft.fft2(noise) * radius ** (-_DECAY / 2)).real
    height = height[:, :side, :side]
    slope = (height.diff(dim=1)[:, :, :-1].square() + height.diff(dim=2)[:, :-1].square()) / 2
    low, high = _SLOPE
    wanted = low + (high - low) * torch.rand(count, generator=generator)
    height = height * (wanted / slope.mean((1, 2)).sqrt())[:, None, None]
    turn = 2 * math.pi * torch.rand(count, 1, 1, generator=generator)
    return wrapped(height + turn)


def with_noise(clean: Tensor, coherence: Tensor, generator: Generator | None = None) -> Phases:
    """Return phases as two radar images show them, averaged over a few looks.

    The images are circular normal with the given coherence, (count,), and the phase is that of
    the mean of s₁ s̄₂.

    Source: Lee et al. 1994.
    """
    real, imaginary = torch.randn(2, 2, LOOKS, *clean.shape, generator=generator)
    first, other = torch.complex(real, imaginary)
    share = coherence[:, None, None]
    second = share * first * torch.polar(torch.ones_like(clean), -clean)
    second = second + (1 - share.square()).sqrt() * other
    return Phases(clean, (first * second.conj()).mean(0).angle())


def wrapped(angles: Tensor) -> Tensor:
    """Return the angles in (-π, π] that differ from some by full turns."""
    return torch.atan2(angles.sin(), angles.cos())
