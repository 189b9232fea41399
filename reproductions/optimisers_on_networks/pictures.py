"""The pictures: losses against steps, and against seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.ticker import NullFormatter

from reproductions.common.figures import canvas, label, legend, line, save
from reproductions.optimisers_on_networks.training import Compared


def draw_losses(found: Mapping[str, Sequence[Compared]], against: str, path: Path) -> Path:
    """Draw each problem as a picture, against steps or the seconds that they take."""
    figure, (row,) = canvas(1, len(found), side=(4.2, 3.2))
    for axes, (problem, every) in zip(row, found.items(), strict=True):
        for k, each in enumerate(every):
            window = each.window
            losses = torch.stack([run.smooth(window) for run in each.runs]).mean(dim=0)
            steps = torch.arange(len(losses)) + window
            x = steps if against == "steps" else steps * each.seconds
            axes.loglog(x, losses, **line(k), label=each.name)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
        label(axes, problem, against, "loss")
    legend(figure, row[0])
    return save(figure, path)
