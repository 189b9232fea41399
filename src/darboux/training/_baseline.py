"""The classical baseline: total variation, with the weight that serves it best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from darboux.data._patches import noisy
from darboux.training._evaluation import middle, psnr

_RANGE = (0.2, 8.0)  # weights that are searched, in units of σ

_GOLDEN = (math.sqrt(5) - 1) / 2

_CROP = 256

_SEED = 7_000_000  # of the noise on the images that tune the weight


def total_variation(image: Tensor, *, weight: float) -> Tensor:
    """Denoise by total variation: argmin_u ½‖u - x‖² + weight·TV(u), by Chambolle's projection.

    It is scikit-image's ``denoise_tv_chambolle``, with its iteration run to 10⁻⁵.

    Args:
        image: x, (channels, H, W).
        weight: of the total variation, > 0.

    Raises:
        ValueError: if the weight is not a positive finite number.
        ModuleNotFoundError: if scikit-image is not installed.

    Example:
        >>> flat = torch.full((1, 8, 8), 0.5)
        >>> total_variation(flat, weight=0.1).allclose(flat)
        True
    """
    if not 0 < weight < math.inf:
        raise ValueError(f"Expected a weight > 0; got {weight}.")
    try:
        from skimage.restoration import denoise_tv_chambolle
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Expected scikit-image, whose total variation is the baseline; it is not installed. "
            'Use: pip install "darboux[images]".'
        ) from error
    array = image.double().cpu().numpy()
    result = denoise_tv_chambolle(array, weight=weight, eps=1e-5, channel_axis=0)
    return torch.from_numpy(np.ascontiguousarray(result)).to(image)


def tune_total_variation(images: Mapping[str, Tensor], *, sigma: float) -> float:
    """Return the weight of the highest mean PSNR on some images, by golden-section search.

    The search is over [0.2 σ, 8 σ], to 2 %, on the middle 256 x 256 pixels of each image.

    Args:
        images: name to clean image; training images, never the held-out ones.
        sigma: standard deviation of the noise.

    Raises:
        ValueError: if there is no image, or `sigma` is not positive.

    Example:
        >>> ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)
        >>> 0.02 < tune_total_variation({"ramp": ramp}, sigma=0.1) < 0.8
        True
    """
    if not images:
        raise ValueError("Expected at least one image; got none.")
    pairs = [
        (noisy(crop, sigma=sigma, seed=_SEED + i), crop)
        for i, crop in enumerate(middle(image, side=_CROP) for image in images.values())
    ]

    def mean_psnr(log_weight: float) -> float:
        weight = math.exp(log_weight)
        return sum(psnr(total_variation(x, weight=weight), y) for x, y in pairs) / len(pairs)

    low, high = (math.log(factor * sigma) for factor in _RANGE)
    return math.exp(_golden_section(mean_psnr, low, high, tolerance=0.02))


def _golden_section(
    function: Callable[[float], float], low: float, high: float, *, tolerance: float
) -> float:
    """Return where a unimodal function is largest, to a tolerance."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left < at_right:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
        else:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
    return (low + high) / 2
