"""Pictures of reconstructions, of their quality, and of what falls under its bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from reproductions.common.figures import (
    INK,
    SOFT,
    canvas,
    grey,
    label,
    line,
    marked,
    save,
)
from reproductions.image_reconstruction.measures import Curve
from reproductions.image_reconstruction.methods import FREE

_GAP = 0.07  # between marks of one problem
_COLUMNS = 3


def draw_images(images: Mapping[str, tuple[Tensor, str]], path: Path) -> Path:
    """Draw images with their names and a caption each, three in a row, for narrow screens."""
    rows = -(-len(images) // _COLUMNS)
    figure, axes = canvas(rows, _COLUMNS, side=(2.0, 2.35))
    for each in axes.flat[len(images) :]:
        each.set_axis_off()
    for each, (name, (image, caption)) in zip(axes.flat, images.items(), strict=False):
        grey(each, image[0])
        each.spines[:].set_visible(False)
        each.set_title(f"{name}\n{caption}" if caption else name, fontsize=10)
    return save(figure, path)


def draw_quality(scores: Mapping[str, Mapping[str, float]], path: Path) -> Path:
    """Draw the mean PSNR of each method, problem by problem."""
    figure, ((axes,),) = canvas(1, 1, side=(7.4, 4.2))
    names = list(next(iter(scores.values())))
    for k, name in enumerate(names):
        style = marked(k) if k < 6 else {"color": SOFT, "marker": "x", "markersize": 5}
        places = [i + _GAP * (k - len(names) / 2) for i in range(len(scores))]
        values = [of[name] for of in scores.values()]
        axes.plot(places, values, **{**style, "linestyle": "none", "markersize": 6}, label=name)
    axes.set_xticks(range(len(scores)))
    axes.set_xticklabels([name.replace(", ", ",\n") for name in scores])
    axes.grid(axis="y", color=SOFT, alpha=0.25, linewidth=0.6)
    label(axes, "mean over the photographs", "problem", "peak signal-to-noise ratio, dB")
    handles, found = axes.get_legend_handles_labels()
    figure.legend(handles, found, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return save(figure, path)


def draw_curve(
    curve: Curve, names: tuple[str, str], path: Path, *, other: Sequence[float] = (), what: str
) -> Path:
    """Draw what is measured under its bound, with names of both, and another curve if any."""
    figure, ((axes,),) = canvas(1, 1, side=(5.6, 3.6))
    shown = curve.measured > 0
    places = torch.arange(1, len(shown) + 1)
    axes.plot(places[shown], curve.measured[shown], **line(0), label=names[0])
    axes.plot(places, curve.bound, color=INK, linestyle=":", label=names[1])
    if other:
        axes.plot(range(1, len(other) + 1), other, **line(1), label=FREE)
    axes.set_yscale("log")
    label(axes, "", "iteration k", what)
    handles, found = axes.get_legend_handles_labels()
    figure.legend(handles, found, loc="outside lower center", frameon=False, fontsize=9)
    return save(figure, path)


def draw_divergence(
    rows: Mapping[str, Sequence[Tensor]], clean: Tensor, last: int, path: Path
) -> Path:
    """Draw iterates of denoisers, a row for each."""
    at = [round(last * share) for share in (0.25, 0.75, 1.0)]
    shown = {}
    for name, images in rows.items():
        for k in at:
            image = images[min(k, len(images) - 1)]
            quality = -10 * (image - clean).double().square().mean().log10()
            shown[f"{name.removesuffix(' denoiser')}, k = {k}"] = image, f"{quality:.1f} dB"
    return draw_images(shown, path)
