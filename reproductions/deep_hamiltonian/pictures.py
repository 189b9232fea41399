"""The pictures of the deep Hamiltonian network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import nn

from reproductions.common.figures import (
    BLUE,
    COLOURS,
    INK,
    SOFT,
    canvas,
    label,
    legend,
    legend_beside,
    line,
    marked,
    save,
)
from reproductions.deep_hamiltonian.data import Labelled
from reproductions.deep_hamiltonian.sensitivity import Sensitivity

_FLOOR = -40.0  # powers of ten below it are not drawn
_GRID = 121


def draw_sensitivity(found: Sensitivity, others: Mapping[str, Sensitivity], path: Path) -> Path:
    """Draw ‖∂z_K/∂z_k‖ over k, alone and beside plain networks."""
    figure, ((left, right),) = canvas(1, 2, side=(5.4, 3.9))
    norms = 10**found.log_norms
    left.plot(norms, color=BLUE, linewidth=0.9, alpha=0.7)
    left.axhline(1.0, color=SOFT, linewidth=0.8, linestyle="--", label="1")
    left.set_yscale("log")
    legend_beside(left)
    depth = len(norms) - 1
    name = r"$\|\partial z_K / \partial z_k\|_2$"
    label(left, f"Hamiltonian network, K = {depth}, {norms.shape[1]} samples", "layer k", name)
    right.plot(norms.amin(dim=1), **line(0), label="Hamiltonian (smallest)")
    for k, (other, its) in enumerate(others.items(), start=1):
        logs = its.log_norms.amax(dim=1)
        shown = torch.where(logs > _FLOOR, 10**logs, torch.nan)
        right.plot(shown, **line(k), label=f"plain tanh, {other} (largest)")
    right.set_yscale("log")
    legend(figure, right)
    label(right, "beside plain networks of the same depth", "layer k", name)
    return save(figure, path)


def draw_classes(
    network: nn.Module,
    data: Labelled,
    losses: Sequence[float],
    more: Sequence[float],
    path: Path,
) -> Path:
    """Draw the learned classes in the plane, and the training loss."""
    figure, ((left, right),) = canvas(1, 2, side=(4.8, 4.2))
    _regions(left, network)
    for k, colour in enumerate(COLOURS[:2]):
        points = data.points[data.classes == k]
        left.plot(*points.T.numpy(), ".", color=colour, markersize=3, label=f"class {k}")
    legend_beside(left)
    label(left, "learned classes, held-out points", "$x_1$", "$x_2$")
    right.plot(losses, **line(0), label="few layers")
    steps = np.arange(len(losses), len(losses) + len(more))
    right.plot(steps, more, label="prolonged", **marked(1))
    right.set_yscale("log")
    legend_beside(right)
    label(right, "training loss", "step", "cross-entropy, nats")
    return save(figure, path)


def _regions(axes: Axes, network: nn.Module) -> None:
    """Fill the plane with the colours of the classes."""
    line = np.linspace(-1.4, 1.4, _GRID)
    points = torch.tensor(np.stack(np.meshgrid(line, line), -1).reshape(-1, 2))
    plane = Labelled(points, points[:, 0])
    with torch.no_grad():
        scores = network(plane.lifted(_features(network))).reshape(_GRID, _GRID)
    axes.contourf(line, line, scores, levels=[-1e9, 0.0, 1e9], colors=COLOURS[:2], alpha=0.25)
    axes.contour(line, line, scores, levels=[0.0], colors=INK, linewidths=0.8)
    axes.set_aspect("equal")


def _features(network: nn.Module) -> int:
    """Return the number of features, which the read-out knows."""
    return int(network.get_parameter("readout.weight").shape[1])
