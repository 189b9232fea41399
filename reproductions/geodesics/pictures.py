"""The pictures: tracks in the plane, scores against weight decay and depth, deviations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from reproductions.common.figures import (
    BLUE,
    FAINT,
    RED,
    SOFT,
    canvas,
    label,
    legend_beside,
    line,
    marked,
    save,
)
from reproductions.geodesics.measures import Measured, mean
from reproductions.geodesics.networks import KINDS
from reproductions.geodesics.training import Trained

_SHOWN = 60  # tracks
_LOOKS = ((BLUE, "o"), (RED, "s"))


def draw_tracks(chosen: Sequence[Trained], classes: Tensor, path: Path) -> Path:
    """Draw tracks in the plane, kinds beside each other, a row for each weight of the decay."""
    decays = sorted({t.price.decay for t in chosen})
    figure, rows = canvas(len(decays), len(KINDS), side=(3.4, 3.0))
    for t in chosen:
        axes = rows[decays.index(t.price.decay), KINDS.index(t.kind)]
        _tracks(axes, t.states, classes)
        label(axes, f"{t.kind}, decay {t.price.decay:g}", "$z_1$", "$z_2$")
    return save(figure, path)


def _tracks(axes: Axes, states: Tensor, classes: Tensor) -> None:
    """Draw tracks: thin lines from small dots to marks, classes in two colours."""
    some = torch.linspace(0, len(classes) - 1, _SHOWN).round().long()
    for sample, kind in zip(states[:, some].unbind(1), classes[some], strict=True):
        colour, mark = _LOOKS[int(kind)]
        axes.plot(*sample.T, "-", color=colour, linewidth=0.5, alpha=0.6)
        axes.plot(*sample[-1:].T, mark, color=colour, markersize=3.5)
    axes.plot(*states[0, some].T, ".", color=SOFT, markersize=3)
    axes.set_aspect("equal", adjustable="datalim")


def draw_scores(networks: Sequence[Trained], path: Path) -> Path:
    """Draw line-shape scores and gains against weight decay, a column for each task."""
    names = list(dict.fromkeys(t.task for t in networks))
    networks = [t for t in networks if t.learnt]
    figure, rows = canvas(2, len(names), side=(3.3, 2.7))
    for column, name in enumerate(names):
        for row, (what, value, reference) in enumerate(_SCORES):
            axes = rows[row, column]
            axes.axhline(reference, color=SOFT, linewidth=0.9)
            its = [t for t in networks if t.task == name]
            _against_decay(axes, its, value)
            label(axes, name if row == 0 else "", "weight decay", what)
    legend_beside(rows[0, -1])
    return save(figure, path)


def _straight(m: Measured) -> float:
    return m.straight


def _gain(m: Measured) -> float:
    return m.gain


_SCORES: tuple[tuple[str, Callable[[Measured], float], float], ...] = (
    ("line-shape score / $\\sqrt{K}$", _straight, 1.0),
    ("transport score, gain", _gain, 1.0),
)


def _against_decay(
    axes: Axes, networks: Sequence[Trained], value: Callable[[Measured], float]
) -> None:
    """Draw means over depths and runs with their standard errors, kinds a little apart."""
    decays = sorted({t.price.decay for t in networks})
    for k, kind in enumerate(KINDS):
        found = [
            mean([value(t.after) for t in networks if (t.kind, t.price.decay) == (kind, decay)])
            for decay in decays
        ]
        places = np.arange(len(decays)) + 0.08 * (k - 1)
        values, errors = [m.value for m in found], [m.error for m in found]
        axes.errorbar(places, values, yerr=errors, capsize=2, label=kind, **marked(k))
    axes.set_xticks(range(len(decays)), [f"{decay:g}" for decay in decays])


def draw_depths(networks: Sequence[Trained], path: Path) -> Path:
    """Draw line-shape scores against the number of layers, and deviations along depth."""
    images = list(dict.fromkeys(t.task for t in networks if t.states.shape[2] > 2))
    depths = sorted({t.depth for t in networks})
    last = max(t.price.decay for t in networks)
    figure, rows = canvas(2, len(images), side=(3.6, 2.8))
    for column, name in enumerate(images):
        its = [t for t in networks if t.task == name and t.price.decay == last]
        top, bottom = rows[0, column], rows[1, column]
        many = torch.linspace(depths[0], depths[-1], 50)
        top.plot(many, many.sqrt(), color=SOFT, linewidth=0.9)
        top.annotate("$\\sqrt{K}$", (depths[-1], depths[-1] ** 0.5), color=SOFT, fontsize=8)
        for k, kind in enumerate(KINDS):
            found = [
                mean([t.after.score for t in its if (t.kind, t.depth) == (kind, d)]) for d in depths
            ]
            top.errorbar(
                *(depths, [m.value for m in found], [m.error for m in found]),
                capsize=2,
                label=kind,
                **marked(k),
            )
            deep = [t.after.deviation for t in its if (t.kind, t.depth) == (kind, depths[-1])]
            curves = torch.tensor(deep)
            times = torch.linspace(0, 1, curves.shape[1])
            low, high = curves.amin(dim=0), curves.amax(dim=0)
            bottom.fill_between(times, low, high, color=FAINT, alpha=0.5, linewidth=0)
            bottom.plot(times, curves.mean(dim=0), label=kind, **line(k))
        top.set_xticks(depths)
        top.set_ylim(0)
        bottom.set_ylim(0)
        label(top, f"{name}, decay {last:g}", "layers K", "line-shape score")
        label(bottom, f"{depths[-1]} layers", "depth, k/K", "deviation / distance, $W_2$")
    legend_beside(rows[0, -1])
    return save(figure, path)
