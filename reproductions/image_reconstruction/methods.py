"""Methods of reconstruction, each with one number that is tuned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

import darboux as dx
from darboux.imaging import NonexpansiveDenoiser, Prior, Reconstruction, reconstruct
from darboux.structure import Averaged, Claim, Claims, claims_of
from darboux.training import psnr, total_variation
from reproductions.image_reconstruction.problems import Problem

TV, AVERAGED, FREE = "total variation", "averaged denoiser", "unconstrained denoiser"
CONVEX, WEAKLY = "convex ridge", "weakly convex ridge"
UNROLLED, NEUMANN = "unrolled", "Neumann"
_LONG = 1000  # iterations with priors
_TOL = 1e-4


@dataclass(frozen=True)
class Method:
    """A method of reconstruction, called with a problem, data and its number."""

    call: Callable[[Problem, Tensor, float], Tensor]
    start: float  # where the search for the number begins
    least: float = 0.0
    most: float = math.inf
    like: str = ""  # the method whose number it takes


@final
class Finer(nn.Module):
    """The denoiser x -> D(s (x - ½) + ½) / s, moved back: D for noise that is s times weaker.

    Shapes: images (batch, channels, height, width) to the same.
    """

    def __init__(self, denoiser: nn.Module, factor: float) -> None:
        super().__init__()
        self.denoiser, self.factor = denoiser, factor

    def forward(self, x: Tensor) -> Tensor:
        """Return images with less noise."""
        return (self.denoiser(self.factor * (x - 0.5) + 0.5) - 0.5) / self.factor + 0.5

    def claims(self) -> Claims:
        """Return that it is averaged if D is."""
        found = claims_of(self.denoiser).find(Averaged)
        if found is None:
            return Claims()
        reason = f"the scaling is undone after D: {found.reason}"
        return Claims((Claim(found.structure, found.kind, reason),))


def methods(
    averaged: nn.Module, free: nn.Module, priors: Mapping[str, Prior], *, iterations: int
) -> dict[str, Method]:
    """Return the methods that are tuned; denoisers make some iterations."""
    return {
        TV: Method(_total_variation, 1e-3),
        AVERAGED: Method(
            partial(_plug_and_play, averaged, iterations), 0.05, least=0.003, most=1.0
        ),
        FREE: Method(partial(_unproved, free, iterations), 0.05, like=AVERAGED),
        **{name: Method(partial(_energy, prior), 0.02) for name, prior in priors.items()},
    }


def minimised(
    prior: Prior, problem: Problem, y: Tensor, weight: float, *, tol: float = _TOL
) -> Reconstruction:
    """Return a reconstruction with a prior; the weight is relative to ‖A‖²."""
    return reconstruct(
        problem.physics, prior, y, weight=weight * problem.scale, tol=tol, max_iter=_LONG
    )


def fixed_point(
    denoiser: nn.Module, problem: Problem, y: Tensor, *, iterations: int
) -> Reconstruction:
    """Return a reconstruction by proximal gradients with an averaged denoiser."""
    return reconstruct(problem.physics, denoiser, y, tol=1e-5, max_iter=iterations)


@torch.no_grad()
def iterates(
    denoiser: Callable[[Tensor], Tensor], problem: Problem, y: Tensor, *, iterations: int
) -> tuple[list[float], list[Tensor]]:
    """Return the residuals and the images of the same iteration with any network.

    It ends where numbers are no longer finite.
    """
    x = (problem.physics.adjoint(y) / problem.scale).clamp(0, 1)
    residuals: list[float] = []
    images = [x]
    for _ in range(iterations):
        gradient = problem.physics.adjoint(problem.physics(x) - y) / problem.scale
        after = denoiser(x - gradient)
        residuals.append(float((after - x).norm()))
        if not math.isfinite(residuals[-1]):
            break
        x = after
        images.append(x)
    return residuals, images


def tuned(method: Method, problem: Problem, image: Tensor) -> float:
    """Return the number of the highest PSNR on an image, on a grid of factors of 2."""
    y = problem.data(image, seed=1)
    scores: dict[int, float] = {}

    def score(k: int) -> float:
        value = method.start * 2.0**k
        if k not in scores:
            fits = method.least <= value <= method.most
            scores[k] = psnr(method.call(problem, y, value), image) if fits else -math.inf
        return scores[k]

    best = 0
    while (found := max((best - 1, best, best + 1), key=score)) != best:
        best = found
    return method.start * 2.0**best


def _total_variation(problem: Problem, y: Tensor, weight: float) -> Tensor:
    return total_variation(y[0], weight=weight * problem.scale, physics=problem.physics)[None]


def _plug_and_play(
    denoiser: nn.Module, iterations: int, problem: Problem, y: Tensor, strength: float
) -> Tensor:
    weaker = NonexpansiveDenoiser(denoiser, strength=strength)
    return fixed_point(weaker, problem, y, iterations=iterations).image


def _unproved(
    denoiser: nn.Module, iterations: int, problem: Problem, y: Tensor, strength: float
) -> Tensor:
    def weaker(x: Tensor) -> Tensor:
        return x + strength * (denoiser(x) - x)

    return iterates(weaker, problem, y, iterations=iterations)[1][-1]


def _energy(prior: Prior, problem: Problem, y: Tensor, weight: float) -> Tensor:
    return minimised(prior, problem, y, weight).image


def priors() -> dict[str, Prior]:
    """Return the trained priors that come with the package."""
    return {CONVEX: dx.imaging.pretrained("crr"), WEAKLY: dx.imaging.pretrained("wcrr")}
