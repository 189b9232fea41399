"""Named priors of images: name -> factory. Every exported class of priors has an entry."""

from __future__ import annotations

from collections.abc import Callable

import torch

from darboux.activations import Clip
from darboux.fields import GradientField
from darboux.imaging import GradientDenoiser, InputConvexPrior, Prior, RidgeRegularizer
from darboux.linear import Conv
from darboux.symmetry import Cyclic, Dihedral

Build = Callable[[], Prior]


def ridge(**options: object) -> RidgeRegularizer:
    """Return a small ridge regulariser whose filters have a norm of more than 1 before they are
    divided by it, and whose thresholds differ."""
    prior = RidgeRegularizer(**{"filters": 8, "kernel_size": 3, "sharpness": 10.0, **options})
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        prior.bank.weight *= 5
        noise = torch.randn(prior.log_threshold.shape, generator=generator)
        prior.log_threshold += 0.3 * noise
    return prior


def _field() -> GradientField:
    filters = Conv(1, 6, kernel_size=3, dim=2, padding_mode="zeros")
    return GradientField(filters, Clip(6, dim=2, threshold=0.05))


CASES: dict[str, Build] = {
    "ridge-convex": ridge,
    "ridge-weak": lambda: ridge(weak=1.0),
    "ridge-circular": lambda: ridge(weak=0.5, padding_mode="circular", filters=16),
    "ridge-untied": lambda: ridge(weak=1.0, group=Cyclic(1), padding_mode="zeros", filters=3),
    "ridge-flips": lambda: ridge(group=Dihedral(2), channels=3),
    "ridge-levels": lambda: ridge(levels=(0.05, 0.1, 0.2), weak=1.0),
    "ridge-product": lambda: ridge(kernel_size=(3, 5), hidden=(2,), weak=1.0),
    "ridge-1d": lambda: ridge(dim=1, channels=2, weak=1.0),
    "ridge-3d": lambda: ridge(dim=3, filters=48, weak=1.0),
    "input-convex": lambda: InputConvexPrior(features=4, depth=3, kernel_size=3),
    "gradient-step": lambda: GradientDenoiser(_field()).prior,
}


def example(prior: Prior, batch: int = 2) -> torch.Tensor:
    """Return images for a prior."""
    generator = torch.Generator().manual_seed(2)
    return torch.rand(batch, prior.channels, *(7, 6, 5)[: prior.dim], generator=generator)
