"""Measurements of denoisers on pictures of rectangles that are turned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reproductions.equivariant_denoiser.data import noisy, rectangles
from reproductions.equivariant_denoiser.training import Setting

ANGLES = (15, 30, 45)  # degrees


@dataclass(frozen=True)
class Example:
    """A picture and what denoisers made of it."""

    clean: Tensor  # (3, side, side)
    noised: Tensor  # with noise
    found: Mapping[str, Tensor]  # from the noisy picture, network by network


def errors_at(network: nn.Module, setting: Setting, *, seed: int) -> dict[int, float]:
    """Return the mean squared error on the same pictures at 0, 15, 30, 45 and 90 degrees.

    The pictures are drawn at the angle, and get the same noise at each of them. Only the disc
    that fits into the image counts, which shows the same part of a picture at all angles.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = rectangles(setting.held_out, side=setting.side, generator=generator)
    shape = (setting.held_out, 3, setting.side, setting.side)
    noise = noisy(torch.zeros(shape), noise=setting.noise, generator=generator)
    found = {}
    for angle in (0, *ANGLES, 90):
        clean = pictures.turned(math.radians(angle))
        error = denoised(network, clean + noise) - clean
        found[angle] = float(error[..., disc(setting.side)].square().mean())
    return found


def quarter_turn_error(network: nn.Module, setting: Setting, *, seed: int) -> float:
    """Return ‖Ψ(π x) - π Ψ(x)‖ / ‖Ψ(x)‖ for noisy pictures x and the quarter turn π."""
    generator = torch.Generator().manual_seed(seed)
    clean = rectangles(setting.held_out, side=setting.side, generator=generator).on_grid()
    x = noisy(clean, noise=setting.noise, generator=generator)
    turned = denoised(network, x.rot90(1, dims=(2, 3)))
    expected = denoised(network, x).rot90(1, dims=(2, 3))
    return float((turned - expected).norm() / expected.norm())


def examples(networks: Mapping[str, nn.Module], setting: Setting, *, seed: int) -> list[Example]:
    """Return a picture on the grid and the same one turned by 30 degrees, denoised."""
    generator = torch.Generator().manual_seed(seed)
    picture = rectangles(1, side=setting.side, generator=generator)
    shown = []
    for angle in (0.0, math.radians(30)):
        clean = picture.turned(angle)
        x = noisy(clean, noise=setting.noise, generator=generator)
        found = {name: denoised(network, x)[0] for name, network in networks.items()}
        shown.append(Example(clean[0], x[0], found))
    return shown


def disc(side: int) -> Tensor:
    """Return which pixels lie in the largest disc around the centre, (side, side)."""
    axis = torch.arange(side) - (side - 1) / 2
    return torch.hypot(axis[:, None], axis[None, :]) < (side - 1) / 2 + 0.5


@torch.no_grad()
def denoised(network: nn.Module, images: Tensor) -> Tensor:
    """Return what a network makes of images."""
    found: Tensor = network(images)
    return found
