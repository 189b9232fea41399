"""Theorems beside what iterations do, on one photograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from torch import Tensor, nn

import darboux as dx
from darboux.data import noisy, photographs
from darboux.imaging import NonexpansiveDenoiser, ParallelBeam, Prior
from darboux.training import psnr
from reproductions.common.result import Statement
from reproductions.image_reconstruction.data import middle, unseen_images
from reproductions.image_reconstruction.measures import (
    Curve,
    Spread,
    convex_rate,
    linear_rate,
    qualities,
    residuals,
    squares,
    stability_convex,
    stability_strong,
    starts_convex,
    starts_strong,
    turned,
)
from reproductions.image_reconstruction.methods import (
    AVERAGED,
    CONVEX,
    FREE,
    WEAKLY,
    Finer,
    fixed_point,
    iterates,
    minimised,
)
from reproductions.image_reconstruction.problems import Problem, problems
from reproductions.image_reconstruction.statements import (
    certified,
    diverges,
    equivariant,
    under,
    within,
)
from reproductions.image_reconstruction.training import SIGMA, Setting

SHOWN = "camera"
CT60, CT30, FOURIER = "CT, 60 angles", "CT, 30 angles", "Fourier, 1/8 of the lines"
_FACTOR = 3.0  # how much weaker the noise is for which denoisers are used where one diverges
_WEIGHT, _STRONG = 0.008, 0.9  # of priors: in CT, in denoising


@dataclass(frozen=True)
class Theory:
    """What was measured."""

    certificates: Mapping[str, dx.Certificate]
    convex: Curve
    linear: Curve
    averaged: Curve
    free: list[float]  # residuals of the unconstrained denoiser
    iterates: Mapping[str, list[Tensor]]  # of both denoisers
    clean: Tensor
    denoising: Mapping[str, float]  # dB, of both denoisers
    spreads: Mapping[str, Spread]  # by statement
    turns: Mapping[str, float]  # relative differences after a quarter turn

    def statements(self) -> list[Statement]:
        """Return what holds, whatever the denoisers were trained for."""
        return [
            certified(self.certificates),
            under(self.convex, "the objective of a convex energy falls as 2 L ‖x_0 - u‖² / k²"),
            under(self.linear, "that of a strongly convex one by 1 - μ/L in each iteration"),
            under(self.averaged, "residuals of an averaged denoiser stay under their bound"),
            *(within(spread, text) for text, spread in self.spreads.items()),
            equivariant(self.turns[WEAKLY], self.turns[AVERAGED]),
        ]

    def divergence(self) -> Statement:
        """Return what holds of denoisers that are equally good."""
        lost = {name: qualities(of, self.clean) for name, of in self.iterates.items()}
        return diverges(self.denoising, lost, self.free)

    def numbers(self) -> dict[str, float]:
        """Return the numbers."""
        ends = {name: qualities(of, self.clean) for name, of in self.iterates.items()}
        return {
            **{f"PSNR of denoising in dB, {name}": v for name, v in self.denoising.items()},
            **{
                f"PSNR in dB of the {what} iterate, {FOURIER}, {name}": value
                for name, of in ends.items()
                for what, value in (("best", max(of)), ("last", of[-1]))
            },
            **{f"difference after a quarter turn, {name}": v for name, v in self.turns.items()},
        }


def measured(
    averaged: nn.Module, free: nn.Module, priors: Mapping[str, Prior], setting: Setting
) -> Theory:
    """Measure what theorems speak of."""
    every = problems(setting.measured)
    clean = unseen_images(setting.measured)[SHOWN]
    scan, fourier = every[CT30], every[FOURIER]
    y, lines = scan.data(clean, seed=3), fourier.data(clean, seed=3)
    noised = noisy(clean, sigma=SIGMA, seed=3)
    convex, weakly = priors[CONVEX], priors[WEAKLY]
    finer = {AVERAGED: Finer(averaged, _FACTOR), FREE: Finer(free, _FACTOR)}
    ran = {k: iterates(d, fourier, lines, iterations=setting.long) for k, d in finer.items()}
    curve = residuals(finer[AVERAGED], fourier, lines, setting.iterations)
    return Theory(
        certificates=_certificates(priors, averaged, scan, y, noised),
        convex=convex_rate(convex, scan, y, _WEIGHT),
        linear=linear_rate(weakly, noised, _STRONG),
        averaged=curve,
        free=ran[FREE][0],
        iterates={name: images for name, (_, images) in ran.items()},
        clean=clean,
        denoising={AVERAGED: _denoises(averaged), FREE: _denoises(free)},
        spreads={
            "and the sum of their squares as well": squares(curve),
            "convex energy, five starts: equal objective": starts_convex(convex, scan, y, _WEIGHT),
            "strongly convex energy, five starts: images within (residual + residual') / μ": (
                starts_strong(weakly, noised, _STRONG)
            ),
            "strongly convex energy: changes of the data are amplified by 1/μ at most": (
                stability_strong(weakly, noised, _STRONG)
            ),
            "convex energy: ‖A x - A x'‖ <= ‖y - y'‖": stability_convex(convex, scan, y, _WEIGHT),
        },
        turns=_turns(weakly, averaged, every[CT60], clean, setting.iterations),
    )


def _certificates(
    priors: Mapping[str, Prior], averaged: nn.Module, scan: Problem, y: Tensor, noised: Tensor
) -> dict[str, dx.Certificate]:
    """Return certificates of reconstructions with each prior and with the averaged denoiser."""
    found = {
        f"{name}, {scan.name}": minimised(prior, scan, y, _WEIGHT) for name, prior in priors.items()
    }
    found[f"{WEAKLY}, denoising"] = dx.imaging.reconstruct(
        None, priors[WEAKLY], noised, weight=_STRONG
    )
    found[AVERAGED] = dx.imaging.reconstruct(None, averaged, noised, weight=1.0)
    return {name: made.certificate for name, made in found.items()}


def _denoises(network: nn.Module) -> float:
    """Return the mean PSNR of denoising the middles of the held-out photographs, 128 × 128."""
    values = []
    for k, image in enumerate(photographs("held-out").values()):
        clean = middle(image, 128)
        values.append(psnr(network(noisy(clean, sigma=SIGMA, seed=k)).detach(), clean))
    return fmean(values)


def _turns(
    prior: Prior, averaged: nn.Module, problem: Problem, clean: Tensor, iterations: int
) -> dict[str, float]:
    assert isinstance(problem.physics, ParallelBeam)
    y = problem.data(clean, seed=3)
    other = problem.physics.turned(y)
    weak = NonexpansiveDenoiser(averaged, strength=0.03)
    return {
        WEAKLY: turned(
            minimised(prior, problem, y, _WEIGHT, tol=1e-6),
            minimised(prior, problem, other, _WEIGHT, tol=1e-6),
        ),
        AVERAGED: turned(
            fixed_point(weak, problem, y, iterations=iterations),
            fixed_point(weak, problem, other, iterations=iterations),
        ),
    }
