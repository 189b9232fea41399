"""The pictures: points on their way, what they become, learned steps, objectives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from reproductions.common.figures import COLOURS, INK, canvas, label, legend, line, save
from reproductions.optimal_control.training import Evolution, Runs, Trained

_GRID = 90  # points of a coordinate, for the classes that are predicted


def draw_evolutions(found: Mapping[str, Evolution], path: Path) -> Path:
    """Draw features at five times, a row for each data set (Figure 1)."""
    figure, rows = canvas(len(found), 5, side=(2.3, 2.3))
    for row, (name, its) in zip(rows, found.items(), strict=True):
        count, reach = len(its.states) - 1, 1.1 * float(its.states.abs().max())
        for flat, k in zip(row, [round(j * count / 4) for j in range(5)], strict=True):
            axes = flat if its.states.shape[2] == 2 else _in_space(figure, flat, reach)
            _scatter(axes, its.states[k], its.points.c)
            label(axes, f"{name}, layer {k}", "", "")
            axes.set_xlim(-reach, reach)
            axes.set_ylim(-reach, reach)
    return save(figure, path)


def _in_space(figure: Figure, flat: Axes, reach: float) -> Axes:
    """Put axes of space in the place of those of the plane."""
    axes: Any = figure.add_subplot(flat.get_subplotspec(), projection="3d")
    flat.remove()
    axes.set_zlim(-reach, reach)
    axes.set_zticks([])
    axes.view_init(elev=18, azim=-60)
    found: Axes = axes
    return found


def draw_transformed(runs: Runs, path: Path) -> Path:
    """Draw z_K of the training points and the line between the classes, network by network."""
    names = [*next(iter(runs.values()))]
    figure, rows = canvas(len(runs), 2 * len(names), side=(2.0, 2.0))
    for row, (problem, its) in zip(rows, runs.items(), strict=True):
        for k, (name, one) in enumerate(its.items()):
            _predicted(row[2 * k], one)
            _moved(row[2 * k + 1], one)
            label(row[2 * k], name, "", "" if k else problem)
            label(row[2 * k + 1], "transformed", "", "")
    return save(figure, path)


def draw_objectives(runs: Runs, path: Path) -> Path:
    """Draw objectives over iterations, problem by problem."""
    figure, (row,) = canvas(1, len(runs), side=(3.2, 2.8))
    for axes, (problem, its) in zip(row, runs.items(), strict=True):
        for number, (name, one) in enumerate(its.items()):
            iterations = range(1, len(one.objectives) + 1)
            axes.plot(iterations, one.objectives, **line(number), label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        label(axes, problem, "iteration", "objective")
    legend(figure, row[0])
    return save(figure, path)


def draw_steps(runs: Runs, path: Path) -> Path:
    """Draw the step sizes of each layer, problem by problem."""
    figure, (row,) = canvas(1, len(runs), side=(3.2, 2.8))
    for axes, (problem, its) in zip(row, runs.items(), strict=True):
        for number, (name, one) in [*enumerate(its.items())][1:]:
            layers = range(1, len(one.steps) + 1)
            axes.step(layers, one.steps, where="mid", **line(number), label=name)
        axes.axhline(0, color=INK, linewidth=0.6)
        label(axes, problem, "layer", "h")
    legend(figure, row[0])
    return save(figure, path)


def _predicted(axes: Axes, one: Trained) -> None:
    """Draw points, and the probability of class 1 around them."""
    x = one.training.x
    reach = 1.15 * float(x.abs().max())
    line = torch.linspace(-reach, reach, _GRID, dtype=x.dtype)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        shown = one.loss.probability(one.flow(grid)).reshape(_GRID, _GRID).T
    axes.imshow(
        shown.numpy(),
        origin="lower",
        extent=(-reach, reach, -reach, reach),
        cmap="RdBu_r",
        vmin=-0.6,
        vmax=1.6,
    )
    _scatter(axes, x, one.training.c)


def _moved(axes: Axes, one: Trained) -> None:
    """Draw transformed points, and where both classes are as likely."""
    with torch.no_grad():
        z = one.flow(one.training.x)
        w, b = one.loss.linear.weight[0].detach(), one.loss.linear.bias[0].detach()
    _scatter(axes, z, one.training.c)
    limits = axes.get_xlim(), axes.get_ylim()
    foot, along = -b * w / (w @ w), torch.stack([-w[1], w[0]]) / w.norm()
    reach = 10 * float(z.abs().max())
    ends = torch.stack([foot - reach * along, foot + reach * along])
    axes.plot(*ends.T.numpy(), color=INK, linewidth=1.0)
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])


def _scatter(axes: Axes, x: Tensor, c: Tensor) -> None:
    for value, colour in enumerate(COLOURS[:2]):
        axes.plot(*x[c == value].T.numpy(), ".", color=colour, markersize=2.5, markeredgewidth=0)
    axes.set_xticks([])
    axes.set_yticks([])
