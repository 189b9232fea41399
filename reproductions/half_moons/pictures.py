"""The pictures of the two half-moons: Figure 2 of the paper, flow by flow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from reproductions.common.figures import COLOURS, INK, RED, canvas, label, legend_beside, line, save
from reproductions.half_moons.law import Law
from reproductions.half_moons.measures import Measured, Plane
from reproductions.half_moons.networks import Trained

_VIEW = ((-3.9, 3.9), (-2.2, 2.8))
_DOTS = 4000
_WINDOW = 25  # steps


def draw_densities(
    found: Mapping[str, Measured],
    samples: Mapping[str, Tensor],
    data: Tensor,
    plane: Plane,
    path: Path,
) -> Path:
    """Draw data, density and samples, a row for each flow."""
    figure, rows = canvas(len(found), 3, side=(3.7, 2.6))
    for row, colour, (name, its) in zip(rows, COLOURS, found.items(), strict=False):
        _scatter(row[0], data, INK)
        density = its.plane.exp().reshape(plane.counts[::-1]).numpy()
        row[1].imshow(
            density, origin="lower", extent=plane.extent, cmap="magma", vmin=0.0, vmax=0.17
        )
        _scatter(row[2], samples[name], colour)
        for axes, title in zip(row, ("data", f"{name}: density", "samples"), strict=True):
            label(axes, title, "$x_1$", "$x_2$")
            _view(axes)
    return save(figure, path)


def draw_bridge(
    found: Mapping[str, Measured],
    exact: Measured,
    flows: Sequence[Trained],
    law: Law,
    path: Path,
) -> Path:
    """Draw what lies between the moons: the region, the densities along the segment; and losses."""
    figure, ((left, middle, right),) = canvas(1, 3, side=(4.3, 3.6))
    _region(left, law)
    share = np.linspace(0, 1, len(exact.segment))
    middle.plot(share, exact.segment.exp(), color=INK, linestyle=(0, (1, 1)))
    for k, ((name, its), one) in enumerate(zip(found.items(), flows, strict=True)):
        middle.plot(share, its.segment.exp(), **line(k))
        smooth = torch.tensor(one.losses).unfold(0, _WINDOW, 1).mean(dim=1)
        right.plot(smooth, **line(k), label=name)
    right.axhline(exact.nll, color=INK, linestyle=(0, (1, 1)), label="exact density")
    middle.set_yscale("log")
    right.set_ylim(exact.nll - 0.15, exact.nll + 1.6)
    legend_beside(right)
    label(middle, "density along the segment", "share of the way", "p(x)")
    label(right, f"training loss, mean of {_WINDOW} steps", "step", "nats")
    return save(figure, path)


def _region(axes: Axes, law: Law) -> None:
    """Draw the arcs, the cells between the moons and the segment."""
    plane = Plane(cell=0.02)
    inside = law.between(plane.points()).reshape(plane.counts[::-1]).numpy()
    shown = np.where(inside, 1.0, np.nan)
    axes.imshow(shown, origin="lower", extent=plane.extent, cmap="Greys", vmin=0, vmax=4)
    for arc in law.arcs(torch.linspace(0, math.pi, 200)):
        axes.plot(*arc.T, color=INK, linewidth=1.4)
    axes.plot(*law.segment(2).T, color=RED, linewidth=1.2, linestyle="--")
    label(axes, "between the moons (grey), and the segment", "$x_1$", "$x_2$")
    _view(axes)


def _scatter(axes: Axes, points: Tensor, colour: str) -> None:
    axes.plot(*points[:_DOTS].T, ".", color=colour, markersize=1.6, alpha=0.6, markeredgewidth=0)


def _view(axes: Axes) -> None:
    axes.set_aspect("equal")
    axes.set_xlim(*_VIEW[0])
    axes.set_ylim(*_VIEW[1])
