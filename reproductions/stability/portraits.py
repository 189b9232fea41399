"""Phase portraits: a plane field with the trajectories of several methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from darboux.fields import VectorField
from darboux.flow import Flow
from reproductions.common.figures import COLOURS, FAINT, canvas, save
from reproductions.stability.methods import METHODS, Method

_GRID = 13


@dataclass(frozen=True, eq=False)
class Portrait:
    """A row of pictures: one autonomous field of the plane, stepped by every method.

    The trajectories are computed once.
    """

    title: str  # of the row
    field: VectorField  # on z of shape (batch, 2), in float64
    starts: Tensor  # where trajectories begin, (batch, 2)
    horizon: float  # T
    steps: int  # K
    reach: float  # what is shown, [-reach, reach]² about the centre
    centre: tuple[float, float] = (0.0, 0.0)  # of the picture

    @cached_property
    def trajectories(self) -> dict[str, Tensor]:
        """The states by every method, (K+1, batch, 2)."""
        return {method.name: self._trajectory(method) for method in METHODS}

    def _trajectory(self, method: Method) -> Tensor:
        flow = Flow(self.field, method.make(), horizon=self.horizon, steps=self.steps)
        with torch.no_grad():
            return flow.trajectory(self.starts)


def draw(portraits: Sequence[Portrait], path: Path, *, shown: int = 40) -> Path:
    """Write a picture with one row per portrait and one column per method."""
    figure, axes = canvas(len(portraits), len(METHODS), side=(2.3, 2.3))
    for row, portrait in zip(axes, portraits, strict=True):
        for each, method, colour in zip(row, METHODS, COLOURS, strict=True):
            _arrows(each, portrait)
            _paths(each, portrait.trajectories[method.name][: shown + 1], colour)
        row[0].set_ylabel(f"{portrait.title}\n\n$z_2$", fontsize=9)
    for top, bottom, method in zip(axes[0], axes[-1], METHODS, strict=True):
        top.set_title(method.name, fontsize=10)
        bottom.set_xlabel("$z_1$", fontsize=9)
    return save(figure, path)


def _arrows(axes: Axes, portrait: Portrait) -> None:
    """Draw the directions of the field, and see to it that circles look like circles."""
    line = np.linspace(-portrait.reach, portrait.reach, _GRID)
    x, y = line + portrait.centre[0], line + portrait.centre[1]
    points = torch.tensor(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))
    with torch.no_grad():
        slopes = portrait.field(0.0, points)
    way = slopes / slopes.norm(dim=1, keepdim=True).clamp(min=1e-12)
    axes.quiver(
        *points.T.numpy(), *way.T.numpy(), color=FAINT, pivot="mid", scale=17, width=0.007,
        headwidth=2.8, headlength=3, headaxislength=3,
    )  # fmt: skip
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    axes.set_aspect("equal")


def _paths(axes: Axes, states: Tensor, colour: str) -> None:
    """Draw trajectories, with a dot for every step and a ring where they begin."""
    for path in states.unbind(dim=1):
        axes.plot(*path.T.numpy(), ".-", color=colour, linewidth=1.0, markersize=3)
        axes.plot(*path[0].tolist(), "o", color="black", markersize=5, fillstyle="none")
