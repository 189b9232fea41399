"""The pictures: laws beside random networks, singular values through depth, and training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes
from torch import Tensor

from reproductions.common.figures import (
    COLOURS,
    INK,
    SOFT,
    canvas,
    label,
    legend,
    line,
    marked,
    save,
)
from reproductions.random_matrices.plain import Spectrum
from reproductions.random_matrices.stable import GAUSSIAN, ORTHOGONAL, Fitted, tanh_network

_LOG10 = math.log(10)
_BINS = 40
_LEVELS = ((0.0, "largest"), (0.25, "upper quartile"), (0.5, "median"), (0.75, "lower quartile"))


def draw_spectra(found: Sequence[Spectrum], path: Path) -> Path:
    """Draw histograms of log₁₀ s and the densities of the law, a row for each kind of weights."""
    names = list(dict.fromkeys(each.case.name for each in found))
    figure, rows = canvas(2, len(names), side=(3.4, 2.7))
    for row, gaussian in zip(rows, (True, False), strict=True):
        for axes, name in zip(row, names, strict=True):
            its = [e for e in found if (e.case.name, e.case.gaussian) == (name, gaussian)]
            if its:
                _draw_laws(axes, its)
            else:  # linear and orthogonal: no density
                axes.set_axis_off()
                axes.text(0.5, 0.5, "linear, orthogonal:\nall s = 1", ha="center", color=SOFT)
    legend(figure, rows[0][0])
    return save(figure, path)


def _draw_laws(axes: Axes, its: Sequence[Spectrum]) -> None:
    low = -3.0 if its[0].case.words != "tanh, orthogonal" else -0.6
    for k, each in enumerate(its):
        logs = each.found.flatten().clamp_min(1e-300).log10()
        axes.hist(
            logs.numpy(),
            bins=_BINS,
            range=(low, float(logs.max())),
            weights=torch.full_like(logs, _BINS / (float(logs.max()) - low) / len(logs)).numpy(),
            color=COLOURS[k],
            alpha=0.35,
        )
        x = each.points / (2 * _LOG10)  # of s = √λ
        axes.plot(x, 2 * _LOG10 * each.density, **line(k), label=f"{each.layers} layers, law")
    axes.set_xlim(left=low)
    top = max(float(each.density.max()) for each in its) * 2 * _LOG10
    axes.set_ylim(0, min(1.1 * top, 30.0))
    label(axes, its[0].case.words, "log₁₀ s", "density")


def draw_growth(found: Sequence[Spectrum], path: Path) -> Path:
    """Draw the largest singular value and E λ² over depth, beside the law."""
    figure, ((left, right),) = canvas(1, 2, side=(4.2, 3.4))
    for k, case in enumerate(dict.fromkeys(each.case for each in found)):
        its = [each for each in found if each.case == case]
        depths = [each.layers for each in its]
        style = {**marked(k), "linestyle": "none"}
        left.plot(depths, [each.largest for each in its], **style, label=case.words)
        right.plot(depths, [each.moments[1] for each in its], **style, label=case.words)
        left.plot(depths, [each.law.edge**0.5 for each in its], **line(k))
        right.plot(depths, [each.law.second for each in its], **line(k))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
    label(left, "largest singular value", "layers", "s")
    label(right, "spread: E λ² / (E λ)², λ = s²", "layers", "ratio")
    legend(figure, left)
    return save(figure, path)


def draw_training(found: Mapping[str, Fitted], path: Path) -> Path:
    """Draw quantiles of singular values through depth, before and after training."""
    figure, rows = canvas(2, len(found), side=(2.3, 2.5))
    for column, (name, its) in enumerate(found.items()):
        for row, values, when in zip(
            rows, (its.start, its.end), ("random", "trained"), strict=True
        ):
            axes = row[column]
            _draw_quantiles(axes, values)
            label(axes, f"{name}, {when}", "layer", "s" if column == 0 else "")
    for row, gaussian in ((rows[0], True), (rows[0], False)):
        name = GAUSSIAN if gaussian else ORTHOGONAL
        axes, depth = row[list(found).index(name)], len(found[name].start)
        depths = range(1, depth + 1)
        edges = [tanh_network(gaussian=gaussian).law(k).edge ** 0.5 for k in depths]
        axes.plot(depths, edges, color=INK, linewidth=1.0, label="largest, law")
    legend(figure, rows[0][0])
    return save(figure, path)


def _draw_quantiles(axes: Axes, values: Tensor) -> None:
    width = values.shape[-1]
    for k, (share, name) in enumerate(_LEVELS):
        at = values[..., min(int(share * width), width - 1)].median(dim=1).values
        axes.plot(range(1, len(at) + 1), at.clamp_min(1e-12), **line(k), label=name)
    axes.axhline(1.0, color=SOFT, linewidth=0.6)
    axes.set_yscale("log")
    axes.set_ylim(1e-6, 300)
