"""Drawing and writing the figures of experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

from darboux._palette import (
    AMBER,
    BLUE,
    COLOURS,
    DASHES,
    FAINT,
    GREEN,
    INK,
    MARKS,
    PAPER,
    PURPLE,
    RED,
    SKY,
    SOFT,
    line,
    marked,
)

__all__ = [
    "AMBER",
    "BLUE",
    "COLOURS",
    "DASHES",
    "FAINT",
    "GREEN",
    "INK",
    "MARKS",
    "PAPER",
    "PURPLE",
    "RED",
    "SKY",
    "SOFT",
    "canvas",
    "grey",
    "label",
    "legend",
    "legend_beside",
    "line",
    "marked",
    "save",
    "side_label",
]

_DOTS = 130  # per inch


def canvas(rows: int, columns: int, *, side: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """Return a figure, without pyplot's global state, and its axes, (rows, columns).

    The sides of each of the axes are in inches.
    """
    size = (columns * side[0], rows * side[1])
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(which="both", labelsize=8)
        each.set_prop_cycle(color=COLOURS, linestyle=DASHES)
    return figure, axes


def label(axes: Axes, title: str, x: str, y: str) -> None:
    """Name a picture and its axes."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)


def side_label(axes: Axes, text: str, *, size: int = 9) -> None:
    """Name a row of images, to the left of the first one."""
    axes.set_ylabel(text, fontsize=size, rotation=0, ha="right", va="center")


def grey(axes: Axes, image: Tensor, *, low: float = 0.0, high: float = 1.0) -> None:
    """Show an image (1, H, W) without ticks, black at `low` and white at `high`."""
    axes.imshow(image[0].numpy(), cmap="gray", vmin=low, vmax=high)
    axes.set_xticks([])
    axes.set_yticks([])


def legend(figure: Figure, axes: Axes) -> None:
    """Explain the curves of a picture, to the right of the whole figure."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=8)


def legend_beside(axes: Axes, *, size: int = 8) -> None:
    """Explain the curves of a picture to the right of it, where the legend hides none."""
    axes.legend(frameon=False, fontsize=size, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as a PNG file, and return its path."""
    figure.savefig(path, format="png", dpi=_DOTS)
    return path
