"""What theorems say of reconstructions, beside measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.imaging import Prior, Reconstruction, reconstruct
from darboux.structure import Averaged, claims_of
from reproductions.common.extremes import maximum, minimum
from reproductions.image_reconstruction.methods import fixed_point, minimised
from reproductions.image_reconstruction.problems import Problem

EVERY = 5  # iterations of `reconstruct` from one accelerated step to the next
STARTS = 5
_ROUNDING = 1e-6  # of F, relative


@dataclass(frozen=True)
class Curve:
    """Something that falls, and the bound that a theorem gives."""

    measured: Tensor  # (iterations,)
    bound: Tensor


@dataclass(frozen=True)
class Spread:
    """How far apart reconstructions from different starts are, beside what is allowed."""

    measured: float
    allowed: float


def convex_rate(prior: Prior, problem: Problem, y: Tensor, weight: float) -> Curve:
    """Return F(x_k) - F(u), u the end of a longer run, and 2 L ‖x_0 - u‖² / (j + 1)²."""
    made = minimised(prior, problem, y, weight, tol=1e-4)
    end = minimised(prior, problem, y, weight, tol=1e-6)
    smoothness = problem.scale * (1 + weight * prior.lipschitz())
    first = problem.physics.adjoint(y) / problem.scale
    fall = made.history["objective"][:, 0] - end.history["objective"][-1, 0]
    steps = (torch.arange(1, len(fall)) + EVERY - 1) // EVERY
    far = float((first - end.image).double().square().sum())
    return Curve(fall[1:], 2 * smoothness * far / (steps + 1.0) ** 2)


def linear_rate(prior: Prior, noisy: Tensor, weight: float) -> Curve:
    """Return F(x_k) - F* in denoising, and (1 - μ/L)^k times the first one."""
    made = reconstruct(None, prior, noisy, weight=weight)
    end = reconstruct(None, prior, noisy, weight=weight, tol=1e-6)
    mu, smoothness = _convexity(prior, weight), 1 + weight * prior.lipschitz()
    fall = made.history["objective"][:, 0] - end.history["objective"][-1, 0]
    steps = torch.arange(1, len(fall))
    return Curve(fall[1:], float(fall[0]) * (1 - mu / smoothness) ** steps)


def residuals(denoiser: nn.Module, problem: Problem, y: Tensor, iterations: int) -> Curve:
    """Return ‖x_(k+1) - x_k‖ of an averaged denoiser, and its bound by the size of the box."""
    found = fixed_point(denoiser, problem, y, iterations=iterations).history["residual"][:, 0]
    first = (problem.physics.adjoint(y) / problem.scale).clamp(0, 1)
    reach = float(torch.maximum(first, 1 - first).norm())
    k = torch.arange(1, len(found) + 1)
    return Curve(found.double(), (_odds(denoiser) / k.double()).sqrt() * reach)


def squares(curve: Curve) -> Spread:
    """Return the sum of the squares of residuals, and its bound α / (1 - α) ‖x_0 - x*‖²."""
    return Spread(float(curve.measured.square().sum()), float(curve.bound[0] ** 2))


def starts_convex(prior: Prior, problem: Problem, y: Tensor, weight: float) -> Spread:
    """Return the largest difference of F between starts, and what residuals allow, relative to F.

    By convexity F(x) - F(x') <= ‖∇F(x)‖ ‖x - x'‖.
    """
    runs = [_from(k, prior, problem, y, weight) for k in range(STARTS)]
    values = [float(run.history["objective"][-1, 0]) for run in runs]
    left = maximum(float(run.history["residual"][-1, 0]) for run in runs)
    apart = maximum(float((a.image - b.image).norm()) for a in runs for b in runs)
    return Spread(
        (maximum(values) - minimum(values)) / values[0], left * apart / values[0] + _ROUNDING
    )


def starts_strong(prior: Prior, noisy: Tensor, weight: float) -> Spread:
    """Return the largest ratio of ‖x - x'‖ and (residual + residual') / μ in denoising."""
    mu, runs = _convexity(prior, weight), []
    for k in range(STARTS):
        x0 = _start(k, noisy)
        runs.append(reconstruct(None, prior, noisy, weight=weight, x0=x0, max_iter=2000))
    left = [float(run.history["residual"][-1, 0]) / mu for run in runs]
    pairs = [(i, j) for i in range(STARTS) for j in range(i)]
    ratios = [float((runs[i].image - runs[j].image).norm()) / (left[i] + left[j]) for i, j in pairs]
    return Spread(maximum(ratios), 1.0)


def stability_strong(prior: Prior, noisy: Tensor, weight: float) -> Spread:
    """Return the largest ‖x - x'‖ / ‖y - y'‖ in denoising, and the factor 1/μ."""
    first = reconstruct(None, prior, noisy, weight=weight, tol=1e-6, max_iter=4000).image
    ratios = []
    for k in range(STARTS):
        change = 0.02 * _normal(k, noisy)
        other = reconstruct(None, prior, noisy + change, weight=weight, tol=1e-6, max_iter=4000)
        ratios.append(float((other.image - first).norm() / change.norm()))
    return Spread(maximum(ratios), 1 / _convexity(prior, weight))


def stability_convex(prior: Prior, problem: Problem, y: Tensor, weight: float) -> Spread:
    """Return the largest ‖A x - A x'‖ / ‖y - y'‖ of a convex energy, and the factor 1."""
    first = minimised(prior, problem, y, weight, tol=1e-6).image
    ratios = []
    for k in range(STARTS):
        change = 0.02 * float(y.norm()) / y.numel() ** 0.5 * _normal(k, y)
        other = minimised(prior, problem, y + change, weight, tol=1e-6).image
        ratios.append(float(problem.physics(other - first).norm() / change.norm()))
    return Spread(maximum(ratios), 1.0)


def turned(made: Reconstruction, other: Reconstruction) -> float:
    """Return ‖x' - ρ x‖ / ‖x‖ for the reconstruction x' from data that are turned by ρ'."""
    expected = made.image.rot90(1, (-2, -1))
    return float((other.image - expected).norm() / expected.norm())


def _odds(denoiser: nn.Module) -> float:
    """Return α / (1 - α) of proximal gradients with step 1/‖A‖², the denoiser and the box."""
    found = claims_of(denoiser).find(Averaged)
    assert found is not None
    assert isinstance(found.structure, Averaged)
    alpha = found.structure.alpha
    return 2 + alpha / (1 - alpha)


def _convexity(prior: Prior, weight: float) -> float:
    """Return μ of the energy of denoising."""
    return 1 - weight * prior.weak_convexity()


def _from(k: int, prior: Prior, problem: Problem, y: Tensor, weight: float) -> Reconstruction:
    x0 = _start(k, problem.physics.adjoint(y))
    scaled = weight * problem.scale
    return reconstruct(problem.physics, prior, y, weight=scaled, x0=x0, tol=1e-5, max_iter=4000)


def _start(k: int, like: Tensor) -> Tensor:
    """Return zeros, ones, or noise."""
    if k < 2:
        return torch.full_like(like, float(k))
    return torch.rand(like.shape, generator=torch.Generator().manual_seed(k)).to(like)


def _normal(k: int, like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(100 + k)).to(like)


def qualities(images: list[Tensor], clean: Tensor) -> list[float]:
    """Return the PSNR of every iterate, in dB."""
    errors = [float((x - clean).double().square().mean()) for x in images]
    return [-10 * math.log10(error) for error in errors]
