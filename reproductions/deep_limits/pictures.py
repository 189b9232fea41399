"""The pictures of deep limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from darboux.control import DeepLimit
from reproductions.common.figures import COLOURS, SOFT, canvas, label, legend, line, marked, save
from reproductions.deep_limits.multilevel import Curve
from reproductions.deep_limits.problems import theta
from reproductions.deep_limits.tolerances import Training


def draw_rates(
    smooth: Mapping[str, DeepLimit], jumping: Mapping[str, DeepLimit], path: Path
) -> Path:
    """Draw differences of minimal values and minimisers, and the coercivity, over K."""
    figure, rows = canvas(2, 3, side=(3.9, 3.1))
    for row, found, what in zip(rows, (smooth, jumping), ("H¹", "total variation"), strict=True):
        for k, (name, its) in enumerate(found.items()):
            row[0].loglog(its.depths[:-1], its.value_differences, label=name, **marked(k))
            row[1].loglog(its.depths[:-1], its.distances, **marked(k))
            row[2].semilogx(its.depths, its.coercivity, **marked(k))
        first = next(iter(found.values()))
        for axes, values in ((row[0], first.value_differences), (row[1], first.distances)):
            _slope(axes, first.depths, 2 * values[0])
        label(row[0], f"{what}: minimal values", "K", "|E(K) - E(2K)|")
        label(row[1], f"{what}: minimisers", "K", "‖θ(K) - θ(2K)‖ in L²")
        label(row[2], f"{what}: coercivity", "K", "smallest eigenvalue of ∇²E in L²")
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
            for colour, entry in zip(COLOURS, entries, strict=False):
                axes.stairs(values[:, entry], t, baseline=None, color=colour, alpha=shade)
        label(axes, name, "t", "θ(t)")
    return save(figure, path)


def draw_tolerances(found: Sequence[Training], path: Path) -> Path:
    """Draw the tolerances over steps, and losses over evaluations of the field."""
    figure, ((left, right),) = canvas(1, 2, side=(4.2, 3.2))
    for k, its in enumerate(found):
        share = np.linspace(0, its.evaluations, len(its.losses))
        left.semilogy(its.tolerances, label=its.name, **line(k))
        right.semilogy(share, its.losses, **line(k))
        right.plot(its.evaluations, its.final, **marked(k))
    label(left, "tolerances", "step", "tolerance")
    label(right, "loss seen, and exact at the end (dot)", "evaluations of the field", "loss")
    legend(figure, left)
    return save(figure, path)


def draw_multilevel(curves: Mapping[str, Curve], path: Path) -> Path:
    """Draw losses on the fine test images over time."""
    figure, ((left, right),) = canvas(1, 2, side=(4.2, 3.2))
    for k, (name, its) in enumerate(curves.items()):
        left.semilogy(its.seconds, its.losses, label=name, **marked(k))
        right.plot(its.seconds, its.accuracies, **marked(k))
    label(left, "fine test images", "processor seconds", "cross-entropy, nats")
    label(right, "fine test images", "processor seconds", "share named rightly")
    legend(figure, left)
    return save(figure, path)


def _slope(axes: Axes, depths: Sequence[int], start: float) -> None:
    ks = np.array(depths[:-1], dtype=float)
    axes.loglog(ks, start * ks[0] / ks, "--", color=SOFT, label="1/K")
