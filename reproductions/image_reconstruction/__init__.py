"""Images from indirect measurements: priors with certificates beside methods without."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from reproductions.common.result import Result
from reproductions.common.sizes import parameter_count
from reproductions.image_reconstruction.comparison import Judged, judged
from reproductions.image_reconstruction.data import BRAIN, PHANTOM, TUNING, unseen_images
from reproductions.image_reconstruction.methods import (
    AVERAGED,
    CONVEX,
    FREE,
    NEUMANN,
    TV,
    UNROLLED,
    WEAKLY,
    methods,
    priors,
)
from reproductions.image_reconstruction.pictures import (
    draw_curve,
    draw_divergence,
    draw_images,
    draw_quality,
)
from reproductions.image_reconstruction.problems import problems
from reproductions.image_reconstruction.statements import comparisons
from reproductions.image_reconstruction.theory import CT30, FOURIER, SHOWN, Theory, measured
from reproductions.image_reconstruction.training import Setting, denoisers

_Of = TypeVar("_Of")
_BLUR = "deblurring"
_FULL = Setting(side=96, measured=64, denoising=600, learning=150, iterations=100, long=300)
_QUICK = Setting(
    side=40,
    measured=32,
    denoising=8,
    learning=10,
    iterations=25,
    long=25,
    problems=(CT30, _BLUR),
    images=(SHOWN, PHANTOM),
    tunes=False,
)
_ORDER = (TV, AVERAGED, FREE, UNROLLED, NEUMANN, CONVEX, WEAKLY)
_SHORT = 100  # iterations in which nothing diverges
_LEAD = (
    "Instruments measure {side} × {side} pixels of {images}, with noise. {tuning}{learning}"
    "Denoisers learn from photographs with noise of 25/255, with structure and without, until they "
    "are about equally good. The ridge regularisers come with the package, as they are. No method "
    "has seen the test images."
)
_TUNING = (
    "The weights of total variation and of the ridge regularisers, and the strength of the "
    f"denoisers, are tuned on one photograph of the training, {TUNING}. "
)
_LEARNING = "The unrolled and the Neumann network are trained for each instrument, in {} steps. "


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Reconstruct images by all methods, and hold theorems against what iterations do.

    Source: section 3.2; Sherry et al. 2024; Hertrich et al. 2025 for the comparison.
    """
    setting = _QUICK if quick else _FULL
    return compared(out, setting, denoisers(setting, seed=seed), seed=seed)


def compared(
    out: Path, setting: Setting, trained: Mapping[str, nn.Module], *, seed: int = 0
) -> Result:
    """Compare methods, with denoisers that are trained: an averaged and an unconstrained one."""
    known, images = priors(), _chosen(unseen_images(setting.side), setting.images)
    tried = methods(trained[AVERAGED], trained[FREE], known, iterations=setting.iterations)
    found = {
        name: judged(problem, tried, images, setting, seed=seed)
        for name, problem in _chosen(problems(setting.side), setting.problems).items()
    }
    theory = measured(trained[AVERAGED], trained[FREE], known, setting)
    scores = {name: of.on_photographs() for name, of in found.items()}
    sizes = {name: parameter_count(network) for name, network in {**known, **trained}.items()}
    statements = theory.statements()
    statements += [theory.divergence()] if setting.long > _SHORT else []
    statements += comparisons(scores) if setting.tunes and setting.learning else []
    return Result(
        title="Images from indirect measurements",
        lead=_lead(setting, images),
        numbers={**_numbers(found, sizes), **theory.numbers()},
        statements=statements,
        figures={**_shown(found, images, out), **_curves(theory, setting, scores, out)},
        costs={
            f"processor seconds of an image, {method}": sum(
                of.seconds[method] for of in found.values()
            )
            / len(found)
            for method in next(iter(found.values())).seconds
        },
    )


def _lead(setting: Setting, images: Mapping[str, Tensor]) -> str:
    return _LEAD.format(
        side=setting.side,
        images=", ".join(images),
        tuning=_TUNING if setting.tunes else "",
        learning=_LEARNING.format(setting.learning) if setting.learning else "",
    )


def _chosen(all_of: Mapping[str, _Of], names: tuple[str, ...]) -> dict[str, _Of]:
    """Return what has one of some names; everything if there are none."""
    return {name: of for name, of in all_of.items() if not names or name in names}


def _shown(found: Mapping[str, Judged], images: Mapping[str, Tensor], out: Path) -> dict[Path, str]:
    """Draw what methods made of one photograph, a picture for each problem."""
    figures = {}
    for name, of in found.items():
        clean, problem = images[SHOWN], of.problem
        back = problem.physics.adjoint(problem.data(clean, seed=3))
        shown = {"truth": (clean, ""), "A*y": (back / back.max(), "")}
        for method in _ORDER:
            if method in of.images:
                made = of.images[method][SHOWN]
                shown[method] = (made, f"{of.scores[method][SHOWN]:.1f} dB")
        file = "-".join("".join(c if c.isalnum() else " " for c in name).split()).lower()
        figures[draw_images(shown, out / f"{file}.png")] = f"{name}: what is made of A*y."
    return figures


def _curves(
    theory: Theory, setting: Setting, scores: Mapping[str, Mapping[str, float]], out: Path
) -> dict[Path, str]:
    """Draw what is claimed and what happens."""
    above = "objective above its minimum"
    return {
        draw_quality(scores, out / "quality.png"): "Mean PSNR over the photographs.",
        draw_curve(
            theory.convex,
            ("F(x_k) - F(u)", "2 L ‖x_0 - u‖² / (j + 1)², j = k / 5"),
            out / "convex.png",
            what=above,
        ): f"{CT30}, {CONVEX}: the objective, and the rate that is claimed for convex energies.",
        draw_curve(
            theory.linear,
            ("F(x_k) - F*", "(1 - μ/L)^k (F(x_0) - F*)"),
            out / "strongly-convex.png",
            what=above,
        ): f"Denoising, {WEAKLY}: the energy is strongly convex, and its rate is claimed.",
        draw_curve(
            theory.averaged,
            (AVERAGED, "its bound"),
            out / "residuals.png",
            other=theory.free,
            what="‖x_(k+1) - x_k‖",
        ): f"{FOURIER}: residuals of proximal gradients with denoisers. Only one has a bound.",
        draw_divergence(theory.iterates, theory.clean, setting.long, out / "divergence.png"): (
            f"{FOURIER}: iterates with the two denoisers, which denoise about equally well."
        ),
    }


def _numbers(found: Mapping[str, Judged], sizes: Mapping[str, int]) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {f"parameters, {name}": n for name, n in sizes.items()}
    for name, of in found.items():
        for method, mean in of.on_photographs().items():
            numbers[f"PSNR in dB, {name}, photographs, {method}"] = mean
            for image in (PHANTOM, BRAIN):
                if image in of.scores[method]:
                    numbers[f"PSNR in dB, {name}, {image}, {method}"] = of.scores[method][image]
        for method, weight in of.weights.items():
            numbers[f"tuned number, {name}, {method}"] = weight
    return numbers
