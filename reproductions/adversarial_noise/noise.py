"""Noise on images: random, and chosen by projected gradient descent."""

from __future__ import annotations

import torch
from torch import Tensor

from reproductions.adversarial_noise.networks import Classifier, margins
from reproductions.common.classification import LabelledImages


def attacked(
    network: Classifier, data: LabelledImages, size: float, *, steps: int, starts: int = 2
) -> Tensor:
    """Return noise of a norm of at most `size` for each image, by projected gradient descent.

    Steps of length 2.5 size/steps go against the gradient of the margin, from random points of the
    ball; what is returned is the noise of the smallest margin that was met. Pixels may leave
    [0, 1], which only helps the attack.

    Source: Madry et al. 2018.
    """
    best = torch.zeros_like(data.images)
    least = margins(network(data.images), data.classes).detach()
    for _ in range(starts):
        noise = random_noise(data.images, size)
        for _ in range(steps + 1):  # the last one only looks
            noise.requires_grad_()
            margin = margins(network(data.images + noise), data.classes)
            (slope,) = torch.autograd.grad(margin.sum(), noise)
            with torch.no_grad():
                lower = margin < least
                least = torch.where(lower, margin, least)
                best = torch.where(lower[:, None, None, None], noise, best)
                noise = _into_ball(noise - 2.5 * size / steps * _unit(slope), size)
    return best.detach()


def random_noise(images: Tensor, size: float) -> Tensor:
    """Return noise of norm `size` in random directions."""
    return size * _unit(torch.randn_like(images))


def accuracy(network: Classifier, data: LabelledImages, noise: Tensor) -> float:
    """Return the share of noisy images that are given their class."""
    with torch.no_grad():
        return float((margins(network(data.images + noise), data.classes) > 0).float().mean())


def norms(noise: Tensor) -> Tensor:
    """Return the norm of the noise on each image, (batch,)."""
    return noise.flatten(1).norm(dim=1)


def _unit(noise: Tensor) -> Tensor:
    return noise / norms(noise).clamp_min(1e-12)[:, None, None, None]


def _into_ball(noise: Tensor, size: float) -> Tensor:
    return noise * (size / norms(noise).clamp_min(size))[:, None, None, None]
