"""Pictures of objectives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reproductions.common.figures import AMBER, BLUE, RED, SOFT, canvas, label, legend, save
from reproductions.successive_approximations.methods import ADAM, BASIC, EXTENDED, SGD, Learned

_COLOURS = {EXTENDED: RED, BASIC: AMBER, SGD: SOFT, ADAM: BLUE}


def draw_curves(found: Mapping[str, Learned], path: Path) -> Path:
    """Draw objectives over sweeps and steps, and over processor time."""
    figure, ((steps, time),) = canvas(1, 2, side=(4.6, 3.4))
    for name, learned in found.items():
        method, begin = name.split(", from ")
        style = {"color": _COLOURS[method], "ls": "-" if begin == "zero" else "--", "lw": 1.2}
        count = range(1, len(learned.objectives) + 1)
        steps.plot(count, learned.objectives, label=name, **style)
        time.plot(learned.seconds, learned.objectives, **style)
    label(steps, "by sweeps or steps", "sweep or step", "objective")
    label(time, "by time", "processor seconds", "objective")
    steps.set_xscale("log")
    for axes in (steps, time):
        axes.set_yscale("log")
    legend(figure, steps)
    return save(figure, path)


def draw_residuals(found: Mapping[str, Learned], path: Path) -> Path:
    """Draw over sweeps how far the maximum principle is from holding."""
    figure, ((axes,),) = canvas(1, 1, side=(5.4, 3.4))
    for name, learned in found.items():
        if learned.residuals:
            method, begin = name.split(", from ")
            style = "-" if begin == "zero" else "--"
            axes.plot(learned.residuals, color=_COLOURS[method], ls=style, lw=1.2, label=name)
    label(axes, "residuals of the maximum principle", "sweep", "sum over layers")
    axes.set_yscale("log")
    legend(figure, axes)
    return save(figure, path)
