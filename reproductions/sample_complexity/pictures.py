"""The picture of test errors against the number of training images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reproductions.common.figures import canvas, label, save
from reproductions.sample_complexity.curves import Curve

_COLOURS = ("#5b6672", "#e09f3e", "#3d6fb6")


def draw_curves(found: Mapping[str, Curve], path: Path) -> Path:
    """Draw the test error against the number of training images, with fitted power laws.

    Args:
        found: the curve of each kind of classifier.
        path: the PNG file.

    Example:
        >>> draw_curves.__doc__.splitlines()[0].split(",")[0]
        'Draw the test error against the number of training images'
    """
    figure, ((axes,),) = canvas(1, 1, side=(7.2, 3.8))
    for colour, (name, curve) in zip(_COLOURS, found.items(), strict=True):
        exponent, factor = curve.fit()
        text = f"{name}, ∝ N^{exponent:.2f}"
        axes.plot(curve.counts, curve.means, "o-", color=colour, label=text, markersize=4)
        low, high = [min(runs) for runs in curve.errors], [max(runs) for runs in curve.errors]
        axes.fill_between(curve.counts, low, high, color=colour, alpha=0.15, linewidth=0)
        fitted = [factor * count**exponent for count in curve.counts]
        axes.plot(curve.counts, fitted, ":", color=colour, linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(next(iter(found.values())).counts)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")
    ticks = [2, 5, 10, 20, 50, 100]
    axes.set_yticks(ticks, [f"{tick}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.grid(visible=True, alpha=0.25)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    label(axes, "test error on randomly turned digits", "training images N", "%")
    return save(figure, path)
