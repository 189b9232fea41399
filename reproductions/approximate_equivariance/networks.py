"""Small untrained equivariant networks, and smooth images that can be rotated by any angle."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from darboux.activations import ReLU
from darboux.symmetry import SO2, EquivariantConv, Feature, NormActivation, Pointwise
from reproductions.approximate_equivariance.kernels import GROUPS

_LAYERS = 3
_BLOBS = 6
_SPREAD = 4.0  # pixels, about which blobs lie from the centre
_POINTS = 12


def network(name: str, *, kernel_size: int, seed: int = 0) -> nn.Sequential:
    """Return scalars -> fields -> fields -> scalars, with nonlinearities between.

    Regular fields of C_N take ReLU; frequencies 0, 1 and 2 of SO(2) take `NormActivation`.
    """
    group = GROUPS[name]
    scalar = Feature(group, ["trivial"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(group, SO2):
            hidden = Feature(group, ["0", "1", "2"] * 4)
            sigma: nn.Module = NormActivation(hidden, bias=-0.02)
        else:
            hidden = Feature(group, ["regular"] * 4)
            sigma = Pointwise(hidden, ReLU())
        types = [scalar, *[hidden] * (_LAYERS - 1), scalar]
        layers: list[nn.Module] = []
        for source, target in pairwise(types):
            conv = EquivariantConv(source, target, kernel_size=kernel_size, dim=2)
            layers += [conv, sigma] if target is hidden else [conv]
        return nn.Sequential(*layers).double()


def network_error(net: nn.Module, angle: float, *, width: float, kernel_size: int) -> float:
    """Return ‖N(f(R⁻¹·)) - N(f)(R⁻¹·)‖ / ‖N(f)‖, root mean squares over points of the plane.

    f is a sum of Gaussians of one width, so that it is known at rotated pixels. N commutes with
    translations: its value at any point of the plane is the value at the centre pixel if f
    is shifted. So nothing is interpolated.
    """
    generator = torch.Generator().manual_seed(5)
    points = _SPREAD * torch.randn(_POINTS, 2, generator=generator, dtype=torch.float64)
    rotation = SO2().action(angle)
    turned = _values(net, points, rotation, width, kernel_size)
    plain = _values(net, points @ rotation, torch.eye(2, dtype=torch.float64), width, kernel_size)
    return float((turned - plain).norm() / plain.norm())


def _values(
    net: nn.Module, points: Tensor, rotation: Tensor, width: float, kernel_size: int
) -> Tensor:
    """Return N(f(R⁻¹·)) at points of the plane, (points,)."""
    half = _LAYERS * (kernel_size // 2)
    axis = torch.arange(-half, half + 1, dtype=torch.float64)
    window = torch.cartesian_prod(axis, axis)
    places = points[:, None] + window  # (points, pixels, 2)
    images = _blobs(places @ rotation, width).reshape(-1, 1, 2 * half + 1, 2 * half + 1)
    with torch.no_grad():
        values: Tensor = net(images)[:, 0, half, half]
    return values


def _blobs(places: Tensor, width: float) -> Tensor:
    """Return the sum of Gaussians at places (..., 2)."""
    generator = torch.Generator().manual_seed(3)
    centres = _SPREAD * torch.randn(_BLOBS, 2, generator=generator, dtype=torch.float64)
    signs = torch.randn(_BLOBS, generator=generator, dtype=torch.float64)
    squares = (places[..., None, :] - centres).square().sum(dim=-1)
    return (signs * torch.exp(-squares / (2 * width**2))).sum(dim=-1)
