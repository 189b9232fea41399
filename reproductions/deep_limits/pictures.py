"""The pictures of deep limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from darboux.control import DeepLimit
from reproductions.common.figures import canvas, label, legend, save
from reproductions.deep_limits.multilevel import Curve
from reproductions.deep_limits.problems import theta
from reproductions.deep_limits.tolerances import Training

_COLOURS = ("#3d6fb6", "#d1495b", "#2f8f5b", "#8a5fbf", "#c98b2b", "#1b1f24")


def draw_rates(
    smooth: Mapping[str, DeepLimit], jumping: Mapping[str, DeepLimit], path: Path
) -> Path:
    """Draw differences of minimal values and minimisers, and the coercivity, over K."""
    figure, rows = canvas(2, 3, side=(3.9, 3.1))
    for row, found, what in zip(rows, (smooth, jumping), ("H¹", "total variation"), strict=True):
        for colour, (name, its) in zip(_COLOURS, found.items(), strict=False):
            row[0].loglog(its.depths[:-1], its.value_differences, "o-", color=colour, label=name)
            row[1].loglog(its.depths[:-1], its.distances, "o-", color=colour)
            row[2].semilogx(its.depths, its.coercivity, "o-", color=colour)
        first = next(iter(found.values()))
        for axes, values in ((row[0], first.value_differences), (row[1], first.distances)):
            _slope(axes, first.depths, 2 * values[0])
        label(row[0], f"{what}: |E(K) - E(2K)|", "K", "")
        label(row[1], f"{what}: distance of minimisers in L²", "K", "")
        label(row[2], f"{what}: smallest eigenvalue of ∇²E in L²", "K", "")
        row[2].set_ylim(bottom=0)
        for axes in row:
            axes.set_xticks(first.depths, labels=[str(k) for k in first.depths], minor=False)
            axes.minorticks_off()
    legend(figure, rows[0][0])
    return save(figure, path)


def draw_minimisers(
    found: Mapping[str, DeepLimit], path: Path, *, entries: Sequence[int] = (0, 1, 2, 3)
) -> Path:
    """Draw entries of θ(t) for every K, a picture for each of the limits."""
    figure, (row,) = canvas(1, len(found), side=(3.9, 3.1))
    for axes, (name, its) in zip(row, found.items(), strict=True):
        shades = np.linspace(0.2, 1.0, len(its.depths))
        for shade, problem in zip(shades, its.problems, strict=True):
            values = theta(problem.flow)
            t = np.linspace(0, 1, len(values) + 1)
            for colour, entry in zip(_COLOURS, entries, strict=False):
                axes.stairs(values[:, entry], t, baseline=None, color=colour, alpha=shade)
        label(axes, name, "t", "θ(t)")
    return save(figure, path)


def draw_tolerances(found: Sequence[Training], path: Path) -> Path:
    """Draw the tolerances over steps, and losses over evaluations of the field."""
    figure, ((left, right),) = canvas(1, 2, side=(4.2, 3.2))
    for colour, its in zip(_COLOURS, found, strict=False):
        share = np.linspace(0, its.evaluations, len(its.losses))
        left.semilogy(its.tolerances, color=colour, label=its.name)
        right.semilogy(share, its.losses, color=colour)
        right.plot(its.evaluations, its.final, "o", color=colour)
    label(left, "tolerance", "step", "")
    label(right, "loss seen, and exact at the end (dot)", "evaluations of the field", "")
    legend(figure, left)
    return save(figure, path)


def draw_multilevel(curves: Mapping[str, Curve], path: Path) -> Path:
    """Draw losses on the fine test images over time."""
    figure, ((left, right),) = canvas(1, 2, side=(4.2, 3.2))
    for colour, (name, its) in zip(_COLOURS, curves.items(), strict=False):
        left.semilogy(its.seconds, its.losses, "o-", color=colour, label=name)
        right.plot(its.seconds, its.accuracies, "o-", color=colour)
    label(left, "cross-entropy of fine test images", "processor seconds", "")
    label(right, "accuracy", "processor seconds", "")
    legend(figure, left)
    return save(figure, path)


def _slope(axes: Axes, depths: Sequence[int], start: float) -> None:
    ks = np.array(depths[:-1], dtype=float)
    axes.loglog(ks, start * ks[0] / ks, "--", color="#888888", label="1/K")
