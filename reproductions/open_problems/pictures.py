"""The pictures of small experiments on open problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reproductions.common.figures import COLOURS, MARKS, canvas, label, legend_beside, save
from reproductions.open_problems.features import Approximated
from reproductions.open_problems.inverses import Inverted
from reproductions.open_problems.smoothing import Smoothed


def draw_smoothing(found: Sequence[Smoothed], path: Path) -> Path:
    """Draw the variation of the energy over the roughness of the parameters."""
    figure, ((left, right),) = canvas(1, 2, side=(4.2, 3.2))
    for axes, what in ((left, "variation"), (right, "growth")):
        for k, each in enumerate(found):
            y, name = getattr(each, what), f"amplitudes $k^{{-{each.decay:g}}}$"
            axes.plot(each.roughness, y, MARKS[k], color=COLOURS[k], label=name)
        axes.set_xscale("log")
        axes.set_xticks([30, 60, 120, 200], ["30", "60", "120", "200"])
        axes.minorticks_off()
    left.set_yscale("log")
    left.set_yticks([10, 20, 40, 80], ["10", "20", "40", "80"])
    left.minorticks_off()
    label(left, "variation of the energy", "‖∂θ‖ in L²", "Σ |H(k+1) - H(k)|, mean")
    label(right, "Jacobian of the network", "‖∂θ‖ in L²", "largest norm")
    legend_beside(right)
    return save(figure, path)


def draw_comparisons(
    layers: Mapping[str, Inverted], features: Mapping[str, Approximated], path: Path
) -> Path:
    """Draw what inverses cost, and errors of approximation with those of all seeds."""
    figure, ((left, right),) = canvas(1, 2, side=(5.2, 2.8))
    for k, (name, each) in enumerate(layers.items()):
        left.barh(name, each.ratio, color=COLOURS[k])
    left.axvline(1, color="black", linewidth=0.8)
    for k, (name, its) in enumerate(features.items()):
        right.plot(its.errors, [name] * len(its.errors), MARKS[k], color=COLOURS[k], alpha=0.8)
    right.set_xlim(0, 1.05 * max(max(its.errors) for its in features.values()))
    right.margins(y=0.2)
    for axes in (left, right):
        axes.invert_yaxis()
    label(left, "inverse", "time over that of the forward pass", "")
    label(right, "an SO(2)-equivariant function, all seeds", "relative error", "")
    return save(figure, path)
