"""Gaussian white noise from a seed."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def noisy(image: Tensor, *, sigma: float, seed: int) -> Tensor:
    """Return image + σ·n with n standard normal, fixed by the seed and the shape.

    The result is not clipped to [0, 1].

    Args:
        image: (*, channels, H, W).
        sigma: standard deviation of the noise, in the units of the image.
        seed: the same seed gives the same noise, on every device.

    Raises:
        ValueError: if `sigma` is not a positive finite number.

    Example:
        >>> flat = torch.full((1, 200, 200), 0.5)
        >>> round(float(noisy(flat, sigma=0.1, seed=0).std()), 2)
        0.1
    """
    check_sigma(sigma)
    generator = torch.Generator().manual_seed(seed)
    return image + sigma * torch.randn(image.shape, generator=generator).to(image)


def check_sigma(sigma: float) -> None:
    """Refuse a noise level that is not a positive finite number."""
    if not (math.isfinite(sigma) and sigma > 0):
        raise ValueError(
            f"Expected a noise level sigma > 0; got {sigma:g}. "
            "Use for instance 25/255 for pixels in [0, 1] (--sigma 25 on the command line)."
        )
