"""The pictures of rotated digits and photographs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from darboux.training import psnr
from reproductions.common.figures import (
    canvas,
    grey,
    label,
    legend_beside,
    marked,
    save,
    side_label,
)
from reproductions.rotated_images.classifiers import ANGLES, Judged
from reproductions.rotated_images.digits import digits_without_nine, shown
from reproductions.rotated_images.photographs import (
    DIAGONAL,
    SIGMA,
    Denoiser,
    cleaned,
    views,
)

_DIGITS = 8


def draw_angles(found: Mapping[str, Sequence[Judged]], path: Path) -> Path:
    """Draw the accuracy against the angle of the test images, the mean and range over seeds."""
    figure, ((axes,),) = canvas(1, 1, side=(7.2, 3.8))
    for k, (name, runs) in enumerate(found.items()):
        rows = [[run.by_angle[angle] for run in runs] for angle in ANGLES]
        means = [sum(row) / len(row) for row in rows]
        (curve,) = axes.plot(ANGLES, means, **marked(k), label=name)
        low, high = [min(row) for row in rows], [max(row) for row in rows]
        axes.fill_between(ANGLES, low, high, color=curve.get_color(), alpha=0.15, linewidth=0)
    axes.set_xticks(range(0, 361, 45))
    axes.set_ylim(0, 101)
    axes.grid(visible=True, alpha=0.25)
    legend_beside(axes)
    label(
        axes,
        "turned digits, mean and range over seeds",
        "angle, degrees",
        "accuracy, %",
    )
    return save(figure, path)


def draw_digits(path: Path) -> Path:
    """Draw some test digits upright and turned by 45° and 90°."""
    digits = digits_without_nine()[1].images[:_DIGITS]
    figure, rows = canvas(3, _DIGITS, side=(1.0, 1.0))
    for row, angle in zip(rows, (0, 45, 90), strict=True):
        images = shown(digits, math.radians(angle))
        for axes, image in zip(row, images, strict=True):
            grey(axes, image)
        side_label(row[0], f"{angle}°")
    return save(figure, path)


def draw_photographs(found: Mapping[str, Denoiser], side: int, path: Path) -> Path:
    """Draw a photograph upright and turned by 45° and 90°: noisy, and as each network cleans it."""
    angles, judged = (0, DIAGONAL, 90), views(side)
    figure, rows = canvas(len(angles), 2 + len(found), side=(2.0, 2.15))
    for row, angle in zip(rows, angles, strict=True):
        noisy, clean = judged[angle][0]
        images = [clean, noisy, *(cleaned(d.network, noisy) for d in found.values())]
        names = ["clean", f"noisy, σ = {SIGMA * 255:.0f}/255", *found]
        for axes, image, name in zip(row, images, names, strict=True):
            grey(axes, image[0])
            level = "" if name == "clean" else f"\n{psnr(image, clean):.3f} dB"
            axes.set_title(name + level, fontsize=8)
        side_label(row[0], f"{angle}°")
    return save(figure, path)


def draw_change(found: Mapping[str, Denoiser], path: Path) -> Path:
    """Draw the PSNR of each denoiser on photographs, angle by angle."""
    figure, ((axes,),) = canvas(1, 1, side=(6.4, 3.2))
    angles = sorted(next(iter(found.values())).psnr)
    for k, (name, denoiser) in enumerate(found.items()):
        levels = [denoiser.psnr[a] for a in angles]
        axes.plot(range(len(angles)), levels, **marked(k), label=name)
    axes.set_xticks(range(len(angles)), [f"{a}" for a in angles])
    axes.grid(visible=True, axis="y", alpha=0.25)
    legend_beside(axes)
    label(axes, "mean over four photographs", "turned by, degrees", "PSNR, dB")
    return save(figure, path)
