"""Figure 4 of the paper: loss curves and trajectories; and the losses of the tuned comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes

from reproductions.common.figures import FAINT, canvas, label, legend, legend_beside, line, save
from reproductions.conformal_optimisers.descents import Descent
from reproductions.conformal_optimisers.functions import Function, camelback_value

_METHODS = ("gradient descent", "heavy ball", "Nesterov", "Adam", "relativistic")
_FLOOR = 1e-30


def draw_camelback(found: Mapping[str, Descent], path: Path) -> Path:
    """Draw losses and trajectories of Figure 4."""
    figure, ((left, right),) = canvas(1, 2, side=(4.6, 3.8))
    _losses(left, found)
    left.set_xscale("symlog", linthresh=10)
    left.set_xlim(left=0)
    label(left, "loss", "step", "V")
    x, y = torch.linspace(-0.75, 0.45, 200), torch.linspace(-0.45, 0.95, 200)
    values = camelback_value(x[None, :], y[:, None])
    right.contour(x, y, values, levels=np.geomspace(1e-3, 3, 14), colors=FAINT, linewidths=0.7)
    for name, its in found.items():
        right.plot(*its.path.T, label=name, linewidth=1.3, **line(_METHODS.index(name)))
    right.plot(0, 0, "k+")
    label(right, "trajectory", "x", "y")
    legend_beside(right)
    return save(figure, path)


def draw_suite(
    found: Mapping[str, Mapping[str, Descent]], functions: Sequence[Function], path: Path
) -> Path:
    """Draw the losses of tuned descents, function by function."""
    figure, (row,) = canvas(1, len(functions), side=(3.9, 3.2))
    for axes, function in zip(row, functions, strict=True):
        _losses(axes, found[function.name])
        axes.axhline(function.goal, color=FAINT, linewidth=0.8)
        label(axes, function.name, "step", "loss")
    legend(figure, row[0])
    return save(figure, path)


def _losses(axes: Axes, found: Mapping[str, Descent]) -> None:
    for name, its in found.items():
        axes.plot(
            its.values.clamp(min=_FLOOR), label=name, linewidth=1.2, **line(_METHODS.index(name))
        )
    axes.set_yscale("log")
