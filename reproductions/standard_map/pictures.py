"""The pictures: orbits, what becomes of a disc, and how momenta spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from reproductions.common.figures import (
    COLOURS,
    INK,
    SOFT,
    canvas,
    label,
    legend,
    line,
    marked,
    save,
)
from reproductions.standard_map.orbits import TURN, Spread, orbits

_COLOURED = 24  # orbits of a picture
_TIMES = (0, 1, 2, 3, 4)


def draw_orbits(strengths: Sequence[float], path: Path, *, steps: int) -> Path:
    """Draw orbits from a line of starts, one picture for each K."""
    figure, (row,) = canvas(1, len(strengths), side=(3.1, 3.2))
    part = (torch.arange(_COLOURED, dtype=torch.float64) + 0.5) / _COLOURED
    starts = TURN * torch.stack([0.5 + 0.37 * part, part], dim=1)
    for axes, strength in zip(row, strengths, strict=True):
        track = orbits(strength, starts, steps=steps)
        track[:, :, 1] = track[:, :, 1].remainder(TURN)
        for k in range(_COLOURED):
            axes.plot(*track[:, k].T.numpy(), ".", color=COLOURS[k % 6], markersize=0.9)
        axes.set_xlim(0, TURN)
        axes.set_ylim(0, TURN)
        axes.set_aspect("equal")
        label(axes, f"K = {strength:g}", "z", "p mod 2π" if axes is row[0] else "")
    return save(figure, path)


def draw_disc(strength: float, path: Path) -> Path:
    """Draw a disc, in four colours, and what two shears make of it."""
    figure, (row,) = canvas(1, len(_TIMES), side=(2.6, 2.8))
    generator = torch.Generator().manual_seed(0)
    radius = torch.rand(12_000, generator=generator, dtype=torch.float64).sqrt()
    angle = TURN * torch.rand(12_000, generator=generator, dtype=torch.float64)
    start = torch.stack([math.pi + radius * angle.cos(), radius * angle.sin()], dim=1)
    quarter = (4 * angle / TURN).long()
    track = orbits(strength, start, steps=_TIMES[-1])
    for axes, k in zip(row, _TIMES, strict=True):
        x = track[k].clone()
        x[:, 1] = (x[:, 1] + math.pi).remainder(TURN) - math.pi
        for part in range(4):
            axes.plot(*x[quarter == part].T.numpy(), ".", color=COLOURS[part], markersize=0.8)
        axes.set_xlim(0, TURN)
        axes.set_ylim(-math.pi, math.pi)
        axes.set_aspect("equal")
        label(axes, f"K = {strength:g}, step {k}", "z", "p" if k == 0 else "")
    return save(figure, path)


def draw_spread(found: Sequence[Spread], exponents: Mapping[float, Tensor], path: Path) -> Path:
    """Draw the rates at which momenta spread, and Lyapunov exponents, over K."""
    figure, ((left, middle, right),) = canvas(1, 3, side=(3.6, 3.2))
    few = [its for its in found if its.strength in (5.0, 10.0, 15.0)]
    for k, its in enumerate(few):
        left.plot(its.mean_squares, **line(k), label=f"K = {its.strength:g}")
    left.legend(frameon=False, fontsize=8, loc="upper left")
    label(left, "mean square of p", "step", "p²")
    dots = {**marked(0), "linestyle": "none", "label": "measured"}
    strengths = [its.strength for its in found]
    middle.plot(strengths, [2 * its.rate / its.strength**2 for its in found], **dots)
    theory = [2 * its.predicted / its.strength**2 for its in found]
    middle.plot(strengths, theory, color=INK, label="theory")
    middle.axhline(1.0, color=SOFT, linewidth=0.8, linestyle="--", label="random kicks")
    middle.set_yscale("log")
    label(middle, "rate of the mean square of p", "K", "over K²/2")
    right.plot([*exponents], [float(e.mean()) for e in exponents.values()], **dots)
    curve = torch.linspace(2.0, max(exponents), 100)
    right.plot(curve, (curve / 2).log(), color=INK)
    label(right, "Lyapunov exponent, theory log(K/2)", "K", "per step")
    legend(figure, middle)
    return save(figure, path)
