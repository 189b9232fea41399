"""The picture of equivariance errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from darboux.symmetry import Bracket
from reproductions.common.figures import canvas, label, legend_beside, save

Curve = dict[float, tuple[Bracket, float]]  # over the angle in degrees: bounds, measured

_COLOURS = ("#3d6fb6", "#e08e2b", "#2a9d8f", "#7b52ab", "#d1495b", "#444444")


def draw_convolutions(
    curves: dict[str, Curve],
    bands: dict[int, dict[float, Bracket]],
    groups: dict[str, dict[int, Bracket]],
    path: Path,
) -> Path:
    """Draw the errors of single convolutions, and return the path."""
    figure, rows = canvas(1, 3, side=(4.3, 3.3))
    angle, band, size = rows[0]
    for (name, curve), colour in zip(curves.items(), _COLOURS, strict=False):
        places = list(curve)
        angle.plot(places, [b.upper for b, _ in curve.values()], color=colour, label=name)
        angle.plot(places, [m for _, m in curve.values()], ".", color=colour, markersize=4)
    label(angle, "frequencies up to π/2", "angle in degrees", "relative error")
    for (each, row), colour in zip(bands.items(), _COLOURS, strict=False):
        _line(band, row, f"{each} × {each}", colour)
    label(band, "worst angle", "band in radians per pixel", "")
    for (name, sizes), colour in zip(list(groups.items())[1:], _COLOURS, strict=False):
        _line(size, sizes, name, colour)
    label(size, "worst element, frequencies up to π/2", "kernel size", "")
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
    axes: Axes, row: dict[float, Bracket] | dict[int, Bracket], name: str, colour: str
) -> None:
    """Draw bounds as a line, and what samples attain as dots."""
    axes.plot(list(row), [each.upper for each in row.values()], color=colour, label=name)
    axes.plot(list(row), [each.lower for each in row.values()], ".", color=colour)
    axes.set_yscale("log")


def _draw_networks(
    row: list[Axes], networks: dict[str, dict[float, float]], widths: dict[str, dict[float, float]]
) -> None:
    left, middle, right = row
    for (name, curve), colour in zip(networks.items(), _COLOURS, strict=False):
        left.plot(list(curve), list(curve.values()), color=colour, label=name, linewidth=1.0)
        near = {a: max(e, 1e-17) for a, e in curve.items() if a <= 90}
        middle.semilogy(list(near), list(near.values()), ".-", color=colour, label=name)
    label(left, "networks, 5 × 5", "angle in degrees", "relative error")
    label(middle, "networks, 5 × 5", "angle in degrees", "")
    for k, (name, curve) in enumerate(widths.items()):
        style = "-" if name.endswith("5 × 5") else "--"
        right.semilogy(
            list(curve), list(curve.values()), style, color=_COLOURS[k % 6], label=name, marker="."
        )
    label(right, "networks at 22.5°", "width of the Gaussians in pixels", "")
