"""The classical baseline: total variation, with the weight that serves it best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from darboux.data._patches import noisy
from darboux.linear import LinearMap
from darboux.solvers import ConvergenceError
from darboux.training._evaluation import middle, psnr

_RANGE = (0.2, 8.0)  # weights that are searched, in units of σ

_GOLDEN = (math.sqrt(5) - 1) / 2

_CROP = 256

_CHANGE, _AT_LEAST, _DUAL_STEPS, _TINY = 1e-4, 4, 100, 1e-30

_SEED = 7_000_000  # of the noise on the images that tune the weight


def total_variation(
    image: Tensor, *, weight: float, physics: LinearMap | None = None, max_iter: int = 500
) -> Tensor:
    """Denoise or reconstruct by total variation: argmin_u ½‖A u - y‖² + weight·TV(u).

    Without an operator, A = I, it is scikit-image's ``denoise_tv_chambolle``, with its iteration
    run to 10⁻⁵. With one, it is accelerated proximal gradients, which solve the dual of
    a denoising problem each, until u changes by 10⁻⁴ of its norm.

    Args:
        image: y, (channels, H, W), or the data that the operator made of one image, without
            batch.
        weight: of the total variation, > 0.
        physics: A, on images (batch, channels, H, W).
        max_iter: proximal gradients, with an operator.

    Raises:
        ValueError: if the weight is not a positive finite number.
        ModuleNotFoundError: if scikit-image is wanted and not installed.
        ConvergenceError: if u still changes after `max_iter` steps.

    Source: Beck and Teboulle 2009, Fast gradient-based algorithms for constrained total variation.

    Example:
        >>> flat = torch.full((1, 8, 8), 0.5)
        >>> total_variation(flat, weight=0.1).allclose(flat)
        True
    """
    if not 0 < weight < math.inf:
        raise ValueError(f"Expected a weight > 0; got {weight}.")
    if physics is not None:
        with torch.no_grad():
            return _proximal_gradients(physics, image[None], weight, max_iter)[0]
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


def _proximal_gradients(physics: LinearMap, y: Tensor, weight: float, max_iter: int) -> Tensor:
    """Return argmin_u ½‖A u - y‖² + weight·TV(u); momentum starts anew where it leads astray."""
    scale = float(physics.norm_bound()) ** 2
    u = ahead = physics.adjoint(y) / scale
    dual, t, change = torch.zeros_like(_differences(u)), 1.0, math.inf
    for k in range(max_iter):
        goal = ahead - physics.adjoint(physics(ahead) - y) / scale
        found, dual = _denoised(goal, dual, weight / scale)
        change = float((found - ahead).norm() / found.norm().clamp(min=_TINY))
        if k >= _AT_LEAST and change <= _CHANGE:
            return found
        t = 1.0 if bool(((ahead - found) * (found - u)).sum() > 0) else t
        following = (1 + math.sqrt(1 + 4 * t * t)) / 2
        ahead = found + (t - 1) / following * (found - u)
        u, t = found, following
    raise ConvergenceError(
        f"Expected total variation to end within {max_iter} steps; got changes of {change:.2g} of "
        "the image. Use a larger weight, or more steps by max_iter."
    )


def _denoised(goal: Tensor, dual: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Return argmin_u ½‖u - goal‖² + weight·TV(u) with its dual variable, from an earlier one."""
    ahead, found, t = dual, goal - _differences_adjoint(dual), 1.0
    for _ in range(_DUAL_STEPS):
        last, before = found, dual
        dual = ahead + _differences(goal - _differences_adjoint(ahead)) / 8
        dual = dual * (weight / dual.norm(dim=0).clamp(min=weight))
        found = goal - _differences_adjoint(dual)
        if float((found - last).norm()) <= 0.1 * _CHANGE * float(found.norm()):
            break
        following = (1 + math.sqrt(1 + 4 * t * t)) / 2
        ahead, t = dual + (t - 1) / following * (dual - before), following
    return found, dual


def _differences(image: Tensor) -> Tensor:
    """Return differences along both axes, (2, ..., H, W), zero at the last row and column."""
    down, right = image.diff(dim=-2), image.diff(dim=-1)
    return torch.stack([functional.pad(down, (0, 0, 0, 1)), functional.pad(right, (0, 1))])


def _differences_adjoint(pair: Tensor) -> Tensor:
    """Return the adjoint of the differences."""
    down, right = pair[0, ..., :-1, :], pair[1, ..., :-1]
    rows = functional.pad(down, (0, 0, 1, 0)) - functional.pad(down, (0, 0, 0, 1))
    return rows + functional.pad(right, (1, 0)) - functional.pad(right, (0, 1))


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
