"""Steerable kernels on the grid: bounds of their equivariance error, and what waves show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry._approximate.equivariance_error import equivariance_error
from darboux.symmetry._approximate.largest import Bracket
from darboux.symmetry._approximate.symbols import stencil_of, symbol_sum
from darboux.symmetry._approximate.worst_error import worst_equivariance_error
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups import SO2, Cyclic, Element, Group
from darboux.symmetry._layers.equivariant_conv import EquivariantConv

GROUPS: dict[str, Group] = {"C4": Cyclic(4), "C8": Cyclic(8), "C16": Cyclic(16), "SO(2)": SO2()}


@dataclass(frozen=True)
class Kernel:
    """An untrained equivariant convolution, features to features of one type.

    The features are one regular field of C_N, or frequencies 0, 1 and 2 of SO(2). Errors are
    relative to the norm of the convolution on the same functions.

    Args:
        name: of the group, among `GROUPS`.
        size: taps per axis.
        seed: of the weights.

    Example:
        >>> Kernel("C8", 3).error(2, band=1.0).upper < 1e-12  # a quarter turn
        True
    """

    name: str
    size: int
    seed: int = 0

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
def _conv(kernel_size: Kernel) -> EquivariantConv:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(kernel_size.seed)
        feature = kernel_size.feature()
        return EquivariantConv(feature, feature, kernel_size=kernel_size.size, dim=2).double()


@lru_cache(maxsize=256)
def _gain(kernel_size: Kernel, band: float) -> float:
    return symbol_sum(stencil_of(_conv(kernel_size))).supremum(band=band).lower


def _centre(conv: EquivariantConv, xi: Tensor, v: Tensor) -> Tensor:
    """Return what the convolution makes of v e^{iξ·p} at p = 0."""
    half = conv.kernel_size[0] // 2
    axis = torch.arange(-half, half + 1, dtype=torch.float64)
    wave = torch.exp(1j * (xi @ torch.cartesian_prod(axis, axis).T))
    image = (v[:, :, None] * wave[:, None]).unflatten(2, (2 * half + 1,) * 2)
    with torch.no_grad():
        real, imaginary = (conv(part)[:, :, half, half] for part in (image.real, image.imag))
    return torch.complex(real, imaginary)
