"""A real use: rotated digits and photographs, with ordinary and equivariant networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import darboux as dx
from reproductions.common.result import Result, Statement
from reproductions.common.sizes import same_size
from reproductions.rotated_images.classifiers import (
    AUGMENTED,
    EQUIVARIANT,
    ORDINARY,
    Course,
    Judged,
    classifiers,
)
from reproductions.rotated_images.classifiers import BOTH as EQUIVARIANT_AUGMENTED
from reproductions.rotated_images.photographs import BOTH, Denoiser, Practice, denoisers
from reproductions.rotated_images.pictures import (
    draw_angles,
    draw_change,
    draw_digits,
    draw_photographs,
)
from reproductions.rotated_images.statements import ahead, certified, quarter_turns, same_psnr

Margins = Sequence[tuple[str, str, float]]  # the better one, the other one, points between them

_SHOWN = (0, 45, 90)  # degrees, in the table
_LEAD = (
    "Classifiers of the same depth and size learn upright digits of scikit-learn (without the 9, "
    "which is a 6 upside down) and are judged on turned ones: ordinary, trained on randomly "
    "turned images (twice as long), and equivariant under eight rotations. Then denoisers learn "
    "upright patches of photographs, all in as many steps, and are judged on turned photographs; "
    "one of them is nonexpansive and equivariant, both by construction."
)


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    course: Course  # of the classifiers
    seeds: int  # runs of each
    margins: Margins  # by how many points which classifiers must be ahead of others
    practice: Practice  # of the denoisers
    count: int | None = None  # of the digits that judge; None for all


_AHEAD = (
    (EQUIVARIANT, ORDINARY, 25.0),
    (EQUIVARIANT_AUGMENTED, AUGMENTED, 0.0),
    (EQUIVARIANT_AUGMENTED, EQUIVARIANT, 0.0),
)
_FULL = Size(Course(300), 3, _AHEAD, Practice(steps=300))
_QUICK = Size(
    Course(100, 20, 0.03),
    1,
    ((EQUIVARIANT, ORDINARY, 10.0),),
    Practice(steps=30, batch=4, side=64, depth=2),
    count=150,
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train classifiers and denoisers on upright images, and judge them on turned ones.

    Source: sections 5.1.3 and 5.2; Cohen and Welling 2016.
    """
    size = _QUICK if quick else _FULL
    seeds = range(seed, seed + size.seeds)
    judged = classifiers(size.course, seeds, count=size.count)
    cleaning = denoisers(size.practice, seed=seed)
    example = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(seed)) / 4
    certificate = dx.certify(cleaning[BOTH].network, example, effort="quick")
    return Result(
        title="Rotated images: ordinary, augmented and equivariant networks",
        lead=_LEAD,
        numbers={**_digits(judged), **_photographs(cleaning)},
        costs={
            **{
                f"digits: seconds of a training, {name}": sum(r.trained.seconds for r in runs)
                / len(runs)
                for name, runs in judged.items()
            },
            **{
                f"photographs: seconds of the training, {name}": each.seconds
                for name, each in cleaning.items()
            },
        },
        statements=_statements(judged, cleaning, certificate, size.margins),
        figures=_figures(judged, cleaning, size.practice.side, out),
    )


def _statements(
    judged: Mapping[str, Sequence[Judged]],
    cleaning: Mapping[str, Denoiser],
    certificate: dx.Certificate,
    margins: Margins,
) -> list[Statement]:
    """Return what was put to the test."""
    return [
        same_size(
            {name: runs[0].trained.parameters for name, runs in judged.items()},
            "digits: parameters are the same to within 5 %",
        ),
        quarter_turns(judged),
        *(ahead(judged, *margin) for margin in margins),
        same_size(
            {name: each.parameters for name, each in cleaning.items()},
            "photographs: parameters are the same to within 5 %",
        ),
        same_psnr(cleaning),
        certified(certificate),
    ]


def _digits(judged: Mapping[str, Sequence[Judged]]) -> dict[str, float]:
    """Return sizes and accuracies of the classifiers, the means over the runs."""
    numbers: dict[str, float] = {}
    for name, runs in judged.items():
        count = len(runs)
        numbers[f"digits: parameters, {name}"] = runs[0].trained.parameters
        for angle in _SHOWN:
            mean = sum(run.by_angle[angle] for run in runs) / count
            numbers[f"digits: accuracy in %, turned by {angle}°, {name}"] = mean
        numbers[f"digits: accuracy in %, turned at random, {name}"] = (
            sum(run.random for run in runs) / count
        )
    return numbers


def _photographs(cleaning: Mapping[str, Denoiser]) -> dict[str, float]:
    """Return sizes and PSNR of the denoisers."""
    numbers: dict[str, float] = {}
    for name, each in cleaning.items():
        numbers[f"photographs: parameters, {name}"] = each.parameters
        for angle, value in sorted(each.psnr.items()):
            numbers[f"photographs: PSNR in dB, turned by {angle}°, {name}"] = value
    return numbers


def _figures(
    judged: Mapping[str, Sequence[Judged]],
    cleaning: Mapping[str, Denoiser],
    side: int,
    out: Path,
) -> dict[Path, str]:
    """Draw, and return the pictures with their captions."""
    return {
        draw_angles(judged, out / "accuracy.png"): (
            "Accuracy on turned digits against the angle, for classifiers of the same size: the "
            "mean over the runs, and their range."
        ),
        draw_digits(out / "digits.png"): "Test digits, upright and turned.",
        draw_photographs(cleaning, side, out / "photographs.png"): (
            "A held-out photograph, noise on it, and what the denoisers make of it: upright, "
            "turned by 45° and by 90°."
        ),
        draw_change(cleaning, out / "psnr.png"): (
            "The PSNR of the denoisers on turned photographs. At 45° other pixels are shown."
        ),
    }
