"""Pictures of interferograms and of errors over coherence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from reproductions.common.figures import canvas, label, legend, marked, save


def draw_phases(shown: Mapping[str, Tensor], path: Path) -> Path:
    """Draw images of phases, (height, width), in a cyclic colour map."""
    figure, axes = canvas(1, len(shown), side=(2.6, 2.9))
    for each, (name, phases) in zip(axes.flat, shown.items(), strict=True):
        picture = each.imshow(
            phases.numpy(), cmap="twilight", vmin=-math.pi, vmax=math.pi, interpolation="nearest"
        )
        each.set_title(name, fontsize=10)
        each.set_xticks([])
        each.set_yticks([])
    bar = figure.colorbar(picture, ax=list(axes.flat), ticks=[-math.pi, 0, math.pi], shrink=0.7)
    bar.ax.set_yticklabels(["-π", "0", "π"], fontsize=8)
    return save(figure, path)


def draw_errors(errors: Mapping[str, Mapping[float, Tensor]], path: Path) -> Path:
    """Draw mean wrapped errors over the coherence; bars are deviations over tiles."""
    figure, ((axes,),) = canvas(1, 1, side=(5.4, 3.6))
    for k, (name, of) in enumerate(errors.items()):
        places = [c + 0.006 * (k - len(errors) / 2) for c in of]
        means, bars = [float(e.mean()) for e in of.values()], [float(e.std()) for e in of.values()]
        axes.errorbar(places, means, yerr=bars, label=name, lw=1.0, capsize=2, **marked(k))
    axes.set_ylim(bottom=0)
    label(axes, "errors on the elevation model", "coherence", "mean wrapped error, radians")
    legend(figure, axes)
    return save(figure, path)
