"""How the figures of experiments are drawn and written."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from darboux.training._files import write_bytes

_DOTS = 130  # per inch


def canvas(rows: int, columns: int, *, side: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """Return a figure, without pyplot's global state, and its axes, (rows, columns).

    Args:
        rows: of axes.
        columns: of axes.
        side: width and height of each of the axes in inches.

    Example:
        >>> canvas(2, 3, side=(2.0, 2.0))[1].shape
        (2, 3)
    """
    size = (columns * side[0], rows * side[1])
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
    return figure, axes


def label(axes: Axes, title: str, x: str, y: str) -> None:
    """Name a picture and its axes.

    Args:
        axes: the picture.
        title: above it.
        x: what runs to the right.
        y: what runs upwards.

    Example:
        >>> axes = canvas(1, 1, side=(2.0, 2.0))[1][0, 0]
        >>> label(axes, "energy", "t", "H")
        >>> axes.get_title(), axes.get_xlabel()
        ('energy', 't')
    """
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)


def legend(figure: Figure, axes: Axes) -> None:
    """Explain the curves of a picture, to the right of the whole figure.

    Args:
        figure: with the picture in it.
        axes: the picture, whose curves have labels.

    Example:
        >>> figure, axes = canvas(1, 2, side=(2.0, 2.0))
        >>> _ = axes[0, 0].plot([0.0, 1.0], label="energy")
        >>> legend(figure, axes[0, 0])
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['energy']
    """
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=8)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as a PNG file, and return its path.

    Args:
        figure: what was drawn.
        path: the file.

    Example:
        >>> import tempfile
        >>> figure, _ = canvas(1, 1, side=(2.0, 2.0))
        >>> save(figure, Path(tempfile.mkdtemp()) / "empty.png").stat().st_size > 0
        True
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS)
    write_bytes(path, buffer.getvalue())
    return path
