"""Measurements of a density of the digits, and those of simple densities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from darboux.data import DIGIT_LEVELS
from darboux.density import NormalizingFlow, bits_per_dimension, dequantize
from reproductions.digits_density.training import PIXELS

_DRAWS = 10  # dequantisations of the images


@dataclass(frozen=True)
class Bits:
    """Bits per dimension of images."""

    mean: float  # over images and dequantisations
    images_error: float  # the standard error of the mean that the choice of images makes
    draws_error: float  # the standard error that dequantisation makes
    bound: float  # with the mean over the dequantisations inside the logarithm, a tighter bound


def bits_of(flow: NormalizingFlow, images: Tensor) -> Bits:
    """Return the bits per dimension of a flow, over several dequantisations of each image."""
    with torch.no_grad():
        logs = torch.stack(
            [flow.log_prob(dequantize(images, DIGIT_LEVELS)).double() for _ in range(_DRAWS)]
        )
    each = _bits(-logs)
    inside = _bits(math.log(_DRAWS) - logs.logsumexp(dim=0))
    return Bits(
        mean=float(each.mean()),
        images_error=_standard_error(each.mean(dim=0)),
        draws_error=_standard_error(each.mean(dim=1)),
        bound=float(inside.mean()),
    )


def independent_bits(training: Tensor, images: Tensor) -> float:
    """Return the bits per dimension of independent pixels, with Laplace's pseudo-counts of 1.

    Example:
        >>> images = torch.zeros(17, 1, 8, 8, dtype=torch.int64)
        >>> round(independent_bits(images, images), 4)  # log2(34 / 18)
        0.9175
    """
    counts = F.one_hot(training.flatten(1), DIGIT_LEVELS).double().sum(dim=0) + 1
    logs = (counts / counts.sum(dim=1, keepdim=True)).log2()
    found = logs.expand(len(images), -1, -1).gather(2, images.flatten(1)[:, :, None])
    return -float(found.mean())


def gaussian_bits(training: Tensor, images: Tensor) -> float:
    """Return the bits per dimension of a normal law with all covariances, after dequantisation."""
    known, coded = (
        dequantize(x.repeat(_DRAWS, 1, 1, 1), DIGIT_LEVELS, dtype=torch.float64).flatten(1)
        for x in (training, images)
    )
    law = torch.distributions.MultivariateNormal(known.mean(dim=0), known.T.cov())
    return float(_bits(-law.log_prob(coded)).mean())


def nearest(images: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance of each image to the nearest training image, in levels, and which.

    Example:
        >>> images = torch.eye(8, dtype=torch.int64)[None, None]
        >>> nearest(images, torch.cat([0 * images, 2 * images]))[0]
        tensor([2.8284], dtype=torch.float64)
    """
    found = torch.cdist(
        images.flatten(1).double(),
        training.flatten(1).double(),
        compute_mode="donot_use_mm_for_euclid_dist",
    ).min(dim=1)
    return found.values, found.indices


def _bits(nll: Tensor) -> Tensor:
    return bits_per_dimension(nll, dimensions=PIXELS, levels=DIGIT_LEVELS)


def _standard_error(values: Tensor) -> float:
    return float(values.std()) / math.sqrt(len(values))
