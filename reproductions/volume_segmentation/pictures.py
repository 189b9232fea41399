"""The pictures of the segmented volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.colors import ListedColormap
from torch import Tensor

from reproductions.common.figures import (
    BLUE,
    PAPER,
    RED,
    SOFT,
    canvas,
    label,
    legend_beside,
    marked,
    save,
)
from reproductions.volume_segmentation.networks import Volumes

_CLASSES = ListedColormap([PAPER, BLUE, RED])


def draw_slices(data: Volumes, found: Tensor, path: Path) -> Path:
    """Draw slices of volumes, their true classes, and those that were found."""
    figure, rows = canvas(3, len(found), side=(2.1, 2.15))
    for k, brightness in enumerate(data.volumes[:, 0]):
        rows[0, k].imshow(brightness.numpy(), cmap="gray")
        for row, classes in zip(rows[1:], (data.classes[k], found[k]), strict=True):
            row[k].imshow(classes.numpy(), cmap=_CLASSES, vmin=0, vmax=2, interpolation="nearest")
    for axes in rows.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    for row, text in zip(rows[:, 0], ("slice", "truth", "found"), strict=True):
        row.set_ylabel(text, fontsize=9)
    figure.suptitle("blue: round, orange: long; both are as bright", fontsize=9)
    return save(figure, path)


def draw_memory(
    sides: Sequence[int], peaks: Mapping[str, Sequence[int]], limit: int, path: Path
) -> Path:
    """Draw the peaks of memory over the size of the volumes, and the limit."""
    figure, ((axes,),) = canvas(1, 1, side=(5.6, 3.8))
    for k, (name, sizes) in enumerate(peaks.items()):
        shown = sides[: len(sizes)]  # a step that ran out of memory has no peak
        axes.plot(shown, [size / 2**20 for size in sizes], label=f"{name} U-Net", **marked(k))
    axes.axhline(limit / 2**20, color=SOFT, linestyle=":", linewidth=1.0, label="the limit")
    axes.set_ylim(bottom=0)
    axes.set_xticks(list(sides))
    legend_beside(axes)
    label(axes, "one training step, a batch of four", "side of the volumes, voxels", "peak, MiB")
    return save(figure, path)
