"""The picture: losses against steps and against seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.ticker import NullFormatter

from reproductions.common.figures import canvas, label, legend_beside, save
from reproductions.optimisers_on_networks.training import Compared

_LOOKS = (
    ("#1b1f24", "-"),
    ("#3d6fb6", "-."),
    ("#d1495b", ":"),
    ("#c98a1b", "--"),
    ("#2f8f5b", "-"),
)


def draw_losses(found: Mapping[str, Sequence[Compared]], path: Path) -> Path:
    """Draw each problem as a row: against steps, and against seconds."""
    figure, rows = canvas(len(found), 2, side=(5.0, 3.0))
    for (left, right), (problem, every) in zip(rows, found.items(), strict=True):
        for (colour, line), each in zip(_LOOKS, every, strict=True):
            window = each.window
            losses = torch.stack([run.smooth(window) for run in each.runs]).mean(dim=0)
            steps = torch.arange(len(losses)) + window
            left.semilogy(steps, losses, line, color=colour, label=each.name)
            right.loglog(steps * each.seconds, losses, line, color=colour, label=each.name)
        for axis in (left.yaxis, right.yaxis, right.xaxis):
            axis.set_minor_formatter(NullFormatter())
        label(left, problem, "steps", "loss")
        label(right, problem, "seconds of one processor", "")
        legend_beside(right)
    return save(figure, path)
