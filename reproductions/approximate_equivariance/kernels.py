"""Steerable kernels on the grid: bounds of their equivariance error, and what waves show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry import (
    SO2,
    Bracket,
    Cyclic,
    Element,
    EquivariantConv,
    ExponentialSum,
    Feature,
    Group,
    equivariance_error,
    worst_equivariance_error,
)

GROUPS: dict[str, Group] = {"C4": Cyclic(4), "C8": Cyclic(8), "C16": Cyclic(16), "SO(2)": SO2()}


@dataclass(frozen=True)
class Kernel:
    """An untrained equivariant convolution, features to features of one type.

    The features are one regular field of C_N, or frequencies 0, 1 and 2 of SO(2). Errors are
    relative to the norm of the convolution on the same functions.
    """

    name: str  # of the group, among `GROUPS`
    size: int  # taps per axis
    seed: int = 0  # of the weights

    def feature(self) -> Feature:
        """Return the type of the features."""
        group = GROUPS[self.name]
        return Feature(group, ["0", "1", "2"] if isinstance(group, SO2) else ["regular"])

    def conv(self) -> EquivariantConv:
        """Return the convolution, in float64."""
        return _conv(self)

    def gain(self, band: float) -> float:
        """Return the norm on functions with frequencies in the band, from below."""
        return _gain(self, band)

    def error(self, g: Element, *, band: float) -> Bracket:
        """Return bounds of the relative error at one element."""
        feature, gain = self.feature(), self.gain(band)
        found = equivariance_error(self.conv(), feature, feature, g, band=band)
        return Bracket(found.lower / gain, found.upper / gain)

    def worst(self, *, band: float) -> Bracket:
        """Return bounds of the relative error over all elements."""
        feature, gain = self.feature(), self.gain(band)
        found = worst_equivariance_error(self.conv(), feature, feature, band=band)
        return Bracket(found.lower / gain, found.upper / gain)

    def measured(self, g: Element, *, band: float, waves: int = 400) -> float:
        """Return the largest relative error of random plane waves, sampled at the pixels.

        ‖A π(g) f - π(g) A f‖ at one pixel over ‖v‖, f = v e^{iξ·p} with random v and |ξ| <= ω, half
        of them with |ξ| = ω.
        """
        feature, conv = self.feature(), self.conv()
        generator = torch.Generator().manual_seed(1)
        angle, radius = torch.rand(2, waves, generator=generator, dtype=torch.float64)
        radius = torch.where(torch.arange(waves) % 2 == 0, radius.sqrt(), 1.0) * band
        xi = torch.stack([angle.mul(2 * math.pi).cos(), angle.mul(2 * math.pi).sin()], dim=1)
        xi = radius[:, None] * xi
        v = torch.randn(waves, feature.channels, generator=generator, dtype=torch.complex128)
        matrix, mixing = feature.group.action(g), feature.matrix(g).to(v)
        there = _centre(conv, xi @ matrix.T, v @ mixing.T)
        here = _centre(conv, xi, v) @ mixing.T
        return float(((there - here).norm(dim=1) / v.norm(dim=1)).max()) / self.gain(band)


@lru_cache(maxsize=64)
def _conv(kernel: Kernel) -> EquivariantConv:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(kernel.seed)
        feature = kernel.feature()
        return EquivariantConv(feature, feature, kernel_size=kernel.size, dim=2).double()


@lru_cache(maxsize=256)
def _gain(kernel: Kernel, band: float) -> float:
    weight = _conv(kernel).stencil().weight.detach()
    symbol = ExponentialSum(_window(kernel.size), weight.flatten(2).movedim(2, 0))
    return symbol.supremum(band=band).lower


def _centre(conv: EquivariantConv, xi: Tensor, v: Tensor) -> Tensor:
    """Return what the convolution makes of v e^{iξ·p} at p = 0."""
    size = conv.kernel_size[0]
    wave = torch.exp(1j * (xi @ _window(size).T))
    image = (v[:, :, None] * wave[:, None]).unflatten(2, (size, size))
    half = size // 2
    with torch.no_grad():
        real, imaginary = (conv(part)[:, :, half, half] for part in (image.real, image.imag))
    return torch.complex(real, imaginary)


def _window(size: int) -> Tensor:
    """Return the places of the taps, 0 in the middle, (size², 2), float64."""
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    return torch.cartesian_prod(axis, axis)
