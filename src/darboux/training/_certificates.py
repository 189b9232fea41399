"""The certificate of a run's network, on photographs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from darboux.certification._certificate import Certificate
from darboux.certification._certify import certify
from darboux.data import noisy, photographs
from darboux.structure import Structure

_SIDE = 64

_SEED = 11


def photograph_example(*, channels: int, sigma: float) -> Tensor:
    """Return noisy 64 x 64 crops from the middle of two held-out photographs.

    Args:
        channels: 1 for grey, 3 for colour.
        sigma: standard deviation of the noise.

    Returns:
        (2, channels, 64, 64).

    Example:
        >>> photograph_example(channels=1, sigma=0.1).shape
        torch.Size([2, 1, 64, 64])
    """
    images = list(photographs("held-out", colour=channels == 3).values())[:2]
    crops = [_middle(image) for image in images]
    return noisy(torch.stack(crops), sigma=sigma, seed=_SEED)


def certify_denoiser(
    network: nn.Module,
    *,
    channels: int,
    sigma: float,
    effort: str = "normal",
    claims: Sequence[Structure] | None = None,
) -> Certificate:
    """Attack every claim of a denoiser at noisy photographs, reproducibly.

    Args:
        network: images (batch, channels, H, W) to images of the same shape.
        channels: 1 for grey, 3 for colour.
        sigma: standard deviation of the noise of the photographs.
        effort: "quick", "normal" or "thorough".
        claims: what to attack instead of the network's own claims.

    Example:
        >>> certify_denoiser(nn.ReLU(), channels=1, sigma=0.1, effort="quick").holds
        True
    """
    example = photograph_example(channels=channels, sigma=sigma)
    example = example.to(next(network.parameters(), example))
    generator = torch.Generator().manual_seed(_SEED)
    return certify(network, example, claims=claims, effort=effort, generator=generator)


def _middle(image: Tensor) -> Tensor:
    """Return the middle 64 x 64 pixels of an image."""
    top, left = ((size - _SIDE) // 2 for size in image.shape[1:])
    return image[:, top : top + _SIDE, left : left + _SIDE]
