"""The picture of the denoisers of rectangles: Figure 3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

from reproductions.common.figures import canvas, label, legend, legend_beside, line, marked, save
from reproductions.equivariant_denoiser.measures import ANGLES, Example
from reproductions.equivariant_denoiser.statements import Runs
from reproductions.equivariant_denoiser.training import Setting

_SIZE = (11.0, 3.9)


def draw_denoisers(runs: Runs, shown: Sequence[Example], setting: Setting, path: Path) -> Path:
    """Draw errors over iterations, and what became of a picture on the grid and of it turned."""
    figure = Figure(figsize=_SIZE, layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))
    ((left, right),) = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.0, 1.55))
    _draw_errors(left.subplots(), runs, setting)
    rows = right.subplots(2, 2 + len(runs))
    for axes, example, name in zip(rows, shown, ("on-grid", "rotated"), strict=True):
        pictures = {"noisy": example.noised, **example.found, "clean": example.clean}
        for each, (what, image) in zip(axes, pictures.items(), strict=True):
            _show(each, image)
            each.set_title(what, fontsize=9)
        axes[0].set_ylabel(f"{name} example", fontsize=9)
    return save(figure, path)


def _draw_errors(axes: Axes, runs: Runs, setting: Setting) -> None:
    """Draw the objective: training errors thin, held-out ones thick."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)
    every = setting.every
    for number, (name, of) in enumerate(runs.items()):
        for k, run in enumerate(of):
            means = _means(run.trained.losses, every)
            places = every * np.arange(1, len(means) + 1)
            axes.plot(places - every / 2, means, **line(number), linewidth=0.5, alpha=0.4)
            text = name if k == 0 else None
            axes.plot(places, run.trained.errors, **line(number), linewidth=1.4, label=text)
    axes.set_yscale("log")
    legend_beside(axes)
    label(axes, "all runs; thick: held-out, thin: training", "iteration", "objective")


def _means(losses: Sequence[float], every: int) -> np.ndarray:
    """Return the means of consecutive iterations."""
    whole = len(losses) // every * every
    means: np.ndarray = np.asarray(losses[:whole]).reshape(-1, every).mean(axis=1)
    return means


def draw_angles(runs: Runs, path: Path) -> Path:
    """Draw the errors on turned pictures over those on upright ones, run by run."""
    figure, ((axes,),) = canvas(1, 1, side=(5.6, 3.4))
    angles = (0, *ANGLES, 90)
    for number, (name, of) in enumerate(runs.items()):
        for k, run in enumerate(of):
            ratios = [run.ratio(angle) for angle in angles]
            axes.plot(angles, ratios, **marked(number), label=name if k == 0 else None, lw=1.0)
    axes.set_xticks(angles)
    legend(figure, axes)
    label(axes, "error on turned pictures", "angle, degrees", "over that on upright ones")
    return save(figure, path)


def _show(axes: Axes, image: Tensor) -> None:
    """Show an image, (3, H, W)."""
    axes.imshow(image.clamp(0, 1).movedim(0, -1).numpy(), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
