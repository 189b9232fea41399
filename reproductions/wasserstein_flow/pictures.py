"""The pictures of the flows of measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes

from reproductions.common.figures import (
    BLUE,
    RED,
    SOFT,
    canvas,
    label,
    legend_beside,
    line,
    marked,
    save,
)
from reproductions.wasserstein_flow.margins import Margin
from reproductions.wasserstein_flow.particles import Flowed, Measure

_LAYERS = {True: "both layers", False: "output layer"}

Margins = Mapping[bool, Mapping[int, Sequence[Margin]]]


def draw_particles(teacher: Measure, flows: Mapping[str, Flowed], path: Path) -> Path:
    """Draw the trajectories of |c| a, and the losses along them."""
    figure, axes = canvas(1, 3, side=(3.6, 3.4))
    for k, (each, (name, flow)) in enumerate(zip(axes[0], flows.items(), strict=False)):
        _trajectories(each, teacher, flow)
        label(each, f"{name} start", "$|c|\\,a_1$", "$|c|\\,a_2$")
        axes[0, 2].semilogy(flow.losses, label=f"{name} start", **line(k))
    legend_beside(axes[0, 2])
    label(axes[0, 2], "loss", "step", "E")
    return save(figure, path)


def _trajectories(axes: Axes, teacher: Measure, flow: Flowed) -> None:
    path = torch.stack(list(flow.path))
    places = path[..., :-1] * path[..., -1:].abs()
    for particle in range(places.shape[1]):
        colour = BLUE if path[-1, particle, -1] > 0 else RED
        axes.plot(*places[:, particle].T, color=colour, linewidth=0.7, alpha=0.7)
        axes.plot(*places[-1, particle], ".", color=colour, markersize=4)
    reach = 1.3 * float(places[-1].norm(dim=1).max())
    for a, c in zip(teacher.a, teacher.c, strict=True):
        axes.plot(
            [0, reach * float(a[0])],
            [0, reach * float(a[1])],
            linestyle="--",
            color=BLUE if c > 0 else RED,
            linewidth=1,
        )
    axes.set_aspect("equal")


def draw_widths(
    losses: Mapping[int, Sequence[float]],
    neurons: int,
    distances: Mapping[int, tuple[float, float]],
    metrics: Mapping[str, Flowed],
    path: Path,
) -> Path:
    """Draw losses by width, distances of measures by width, and losses by metric."""
    figure, ((left, middle, right),) = canvas(1, 3, side=(3.6, 3.2))
    for width, found in losses.items():
        left.semilogy([width] * len(found), found, "o", color=BLUE, markersize=4)
    _doublings(left, list(losses))
    left.axvline(neurons, color=SOFT, linestyle="--", linewidth=1)
    label(left, "loss by width (dashed: teacher)", "J", "E / E of no student")
    for i, name in enumerate(("start", "end")):
        values = [pair[i] for pair in distances.values()]
        middle.plot(list(distances), values, label=name, **marked(i))
    _doublings(middle, list(distances))
    middle.set_ylim(0)
    legend_beside(middle)
    label(middle, "distance of J and 2J particles", "J", "$W_2$")
    for k, (name, flow) in enumerate(metrics.items()):
        right.semilogy(flow.losses, label=name, **line(k))
    legend_beside(right)
    label(right, "loss by metric", "step", "E")
    return save(figure, path)


def _doublings(axes: Axes, widths: Sequence[int]) -> None:
    """Show widths on a logarithmic axis, each by its number."""
    axes.set_xscale("log")
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.minorticks_off()


def draw_margins(noise: Margins, widths: Margins, path: Path) -> Path:
    """Draw errors and margins by the number of spurious coordinates and by width."""
    figure, axes = canvas(1, 3, side=(3.6, 3.2))
    for k, (both, name) in enumerate(_LAYERS.items()):
        _curve(axes[0, 0], {k: [m.error for m in v] for k, v in noise[both].items()}, name, k)
        _curve(axes[0, 1], {k: [m.margin for m in v] for k, v in noise[both].items()}, name, k)
        _curve(axes[0, 2], {k: [m.margin for m in v] for k, v in widths[both].items()}, name, k)
    _doublings(axes[0, 2], list(widths[True]))
    label(axes[0, 0], "test error", "spurious coordinates", "share of wrong labels")
    label(axes[0, 1], "margin, each in its own norm", "spurious coordinates", "margin")
    label(axes[0, 2], "margin by width", "J", "margin")
    legend_beside(axes[0, 2])
    return save(figure, path)


def _curve(axes: Axes, found: Mapping[int, Sequence[float]], name: str, number: int) -> None:
    means = [sum(values) / len(values) for values in found.values()]
    (curve,) = axes.plot(list(found), means, label=name, **marked(number))
    for x, values in found.items():
        axes.plot([x] * len(values), values, ".", color=curve.get_color(), markersize=3, alpha=0.5)
