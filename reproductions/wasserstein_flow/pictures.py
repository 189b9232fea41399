"""The pictures of the flows of measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes

from reproductions.common.figures import canvas, label, save
from reproductions.wasserstein_flow.margins import Margin
from reproductions.wasserstein_flow.particles import Flowed, Measure

_BLUE, _RED, _GREY = "#2c6fbb", "#c44536", "#777777"
_LAYERS = {True: ("both layers", _BLUE), False: ("output layer", _RED)}

Margins = Mapping[bool, Mapping[int, Sequence[Margin]]]


def draw_particles(teacher: Measure, flows: Mapping[str, Flowed], path: Path) -> Path:
    """Draw the trajectories of |c| a, and the losses along them."""
    figure, axes = canvas(1, 3, side=(3.6, 3.4))
    for each, (name, flow) in zip(axes[0], flows.items(), strict=False):
        _trajectories(each, teacher, flow)
        label(each, f"{name} start", "$|c|\\,a_1$", "$|c|\\,a_2$")
        axes[0, 2].semilogy(flow.losses, label=name, color=_BLUE if name == "diverse" else _RED)
    axes[0, 2].legend(frameon=False, fontsize=8)
    label(axes[0, 2], "loss", "step", "E")
    return save(figure, path)


def _trajectories(axes: Axes, teacher: Measure, flow: Flowed) -> None:
    path = torch.stack(list(flow.path))
    places = path[..., :-1] * path[..., -1:].abs()
    for particle in range(places.shape[1]):
        colour = _BLUE if path[-1, particle, -1] > 0 else _RED
        axes.plot(*places[:, particle].T, color=colour, linewidth=0.7, alpha=0.7)
        axes.plot(*places[-1, particle], ".", color=colour, markersize=4)
    reach = 1.3 * float(places[-1].norm(dim=1).max())
    for a, c in zip(teacher.a, teacher.c, strict=True):
        axes.plot(
            [0, reach * float(a[0])],
            [0, reach * float(a[1])],
            linestyle="--",
            color=_BLUE if c > 0 else _RED,
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
        left.semilogy([width] * len(found), found, "o", color=_BLUE, markersize=4)
    _doublings(left, list(losses))
    left.axvline(neurons, color=_GREY, linestyle="--", linewidth=1)
    label(left, "loss by width (dashed: teacher)", "J", "E / E of no student")
    for i, (name, colour) in enumerate({"start": _GREY, "end": _BLUE}.items()):
        values = [pair[i] for pair in distances.values()]
        middle.plot(list(distances), values, "o-", color=colour, label=name, markersize=4)
    _doublings(middle, list(distances))
    middle.set_ylim(0)
    middle.legend(frameon=False, fontsize=8)
    label(middle, "distance of J and 2J particles", "J", "$W_2$")
    for (name, flow), colour in zip(metrics.items(), (_BLUE, _GREY, _RED), strict=True):
        right.semilogy(flow.losses, color=colour, label=name)
    right.legend(frameon=False, fontsize=8)
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
    for both, (name, colour) in _LAYERS.items():
        _curve(axes[0, 0], {k: [m.error for m in v] for k, v in noise[both].items()}, name, colour)
        _curve(axes[0, 1], {k: [m.margin for m in v] for k, v in noise[both].items()}, name, colour)
        _curve(
            axes[0, 2], {k: [m.margin for m in v] for k, v in widths[both].items()}, name, colour
        )
    _doublings(axes[0, 2], list(widths[True]))
    label(axes[0, 0], "test error", "spurious coordinates", "share of wrong labels")
    label(axes[0, 1], "margin, each in its own norm", "spurious coordinates", "margin")
    label(axes[0, 2], "margin by width", "J", "margin")
    axes[0, 0].legend(frameon=False, fontsize=8)
    return save(figure, path)


def _curve(axes: Axes, found: Mapping[int, Sequence[float]], name: str, colour: str) -> None:
    means = [sum(values) / len(values) for values in found.values()]
    axes.plot(list(found), means, "o-", color=colour, label=name, markersize=4)
    for x, values in found.items():
        axes.plot([x] * len(values), values, ".", color=colour, markersize=3, alpha=0.5)
