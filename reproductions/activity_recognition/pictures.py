"""Pictures of motions: curves of rotations, and tables of distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from reproductions.activity_recognition.data import Motions
from reproductions.activity_recognition.measures import rotations
from reproductions.common.figures import COLOURS, canvas, label, save


def draw_curves(motions: Motions, names: Sequence[str], path: Path) -> Path:
    """Draw where the first axis of the watch points, seen along the third, for each class."""
    figure, axes = canvas(1, len(names), side=(2.6, 2.9))
    for k, (each, name) in enumerate(zip(axes.flat, names, strict=True)):
        for velocities in motions.velocities[motions.classes == k][:3]:
            x, y = rotations(velocities)[:, :2, 0].unbind(1)
            each.plot(x.numpy(), y.numpy(), color=COLOURS[k], lw=0.8, alpha=0.8)
        each.set_aspect("equal")
        each.set_xlim(-1.1, 1.1)
        each.set_ylim(-1.1, 1.1)
        label(each, name, "x", "y")
    return save(figure, path)


def draw_distances(
    tables: Mapping[str, Tensor], training: Motions, judged: Motions, path: Path
) -> Path:
    """Draw distances of all judged motions, sorted by class, from all that were learned."""
    figure, axes = canvas(1, len(tables), side=(3.2, 3.2))
    rows, columns = judged.classes.argsort(), training.classes.argsort()
    down, across = (np.cumsum(m.classes.bincount().numpy())[:-1] - 0.5 for m in (judged, training))
    for each, (name, table) in zip(axes.flat, tables.items(), strict=True):
        each.imshow(table[rows][:, columns].numpy(), cmap="cividis", interpolation="nearest")
        for edge in down:
            each.axhline(edge, color="white", lw=0.7)
        for edge in across:
            each.axvline(edge, color="white", lw=0.7)
        for axis in (each.xaxis, each.yaxis):
            axis.get_major_locator().set_params(integer=True)
        label(each, name, "training motion", "judged motion")
    return save(figure, path)
