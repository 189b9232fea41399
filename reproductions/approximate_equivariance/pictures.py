"""The picture of equivariance errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from darboux.symmetry import Bracket
from reproductions.common.figures import (
    COLOURS,
    MARKS,
    canvas,
    label,
    legend_beside,
    line,
    marked,
    save,
)

Curve = dict[float, tuple[Bracket, float]]  # over the angle in degrees: bounds, measured


def draw_convolutions(
    curves: dict[str, Curve],
    bands: dict[int, dict[float, Bracket]],
    groups: dict[str, dict[int, Bracket]],
    path: Path,
) -> Path:
    """Draw the errors of single convolutions, and return the path."""
    figure, rows = canvas(1, 3, side=(4.3, 3.3))
    angle, band, size = rows[0]
    for k, (name, curve) in enumerate(curves.items()):
        angle.plot(list(curve), [b.upper for b, _ in curve.values()], label=name, **line(k))
        _dots(angle, list(curve), [m for _, m in curve.values()], k)
    label(angle, "frequencies up to π/2", "angle, degrees", "relative error")
    for k, (each, row) in enumerate(bands.items()):
        _line(band, row, f"{each} × {each}", k)
    label(band, "worst angle", "band, radians per pixel", "relative error")
    for k, (name, sizes) in enumerate([*groups.items()][1:]):
        _line(size, sizes, name, k)
    label(size, "worst element, frequencies up to π/2", "kernel size, pixels", "relative error")
    size.set_xticks(list(next(iter(groups.values()))))
    return _finished(figure, rows, path)


def draw_networks(
    networks: dict[str, dict[float, float]], widths: dict[str, dict[float, float]], path: Path
) -> Path:
    """Draw the errors of networks, and return the path."""
    figure, rows = canvas(1, 3, side=(4.3, 3.3))
    _draw_networks(list(rows[0]), networks, widths)
    return _finished(figure, rows, path)


def _finished(figure: Figure, rows: np.ndarray, path: Path) -> Path:
    for axes in rows.flat:
        if axes.has_data():
            legend_beside(axes, size=7)
    return save(figure, path)


def _line(
    axes: Axes, row: dict[float, Bracket] | dict[int, Bracket], name: str, number: int
) -> None:
    """Draw bounds as a line, and what samples attain as dots."""
    axes.plot(list(row), [each.upper for each in row.values()], label=name, **line(number))
    _dots(axes, list(row), [each.lower for each in row.values()], number)
    axes.set_yscale("log")


def _dots(axes: Axes, x: Sequence[float], y: Sequence[float], number: int) -> None:
    axes.plot(x, y, linestyle="", marker=MARKS[number], markersize=3, color=COLOURS[number])


def _draw_networks(
    row: list[Axes], networks: dict[str, dict[float, float]], widths: dict[str, dict[float, float]]
) -> None:
    left, middle, right = row
    for k, (name, curve) in enumerate(networks.items()):
        left.plot(list(curve), list(curve.values()), label=name, linewidth=1.0, **line(k))
        near = {a: max(e, 1e-17) for a, e in curve.items() if a <= 90}
        middle.semilogy(list(near), list(near.values()), label=name, **line(k))
    label(left, "networks, 5 × 5", "angle, degrees", "relative error")
    label(middle, "the same, logarithmic", "angle, degrees", "relative error")
    for k, (name, curve) in enumerate(widths.items()):
        right.semilogy(list(curve), list(curve.values()), label=name, **marked(k))
    label(right, "networks at 22.5°", "width of the Gaussians, pixels", "relative error")
