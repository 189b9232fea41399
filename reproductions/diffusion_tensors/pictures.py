"""Pictures of diffusion tensors: slices of ellipsoids, and errors over directions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from torch import Tensor

from reproductions.common.figures import INK, canvas, label, legend, marked, save
from reproductions.diffusion_tensors.measures import Errors, interval
from reproductions.diffusion_tensors.tensors import fractional_anisotropy

# of fibres along the three axes, told apart with all kinds of colour vision
_AXES = torch.tensor([[0.835, 0.369, 0.0], [0.0, 0.62, 0.451], [0.0, 0.447, 0.698]])
_GREY = 0.72


def draw_slices(shown: Mapping[str, Tensor], path: Path, *, size: float = 2.5) -> Path:
    """Draw slices of tensors, (X, Y, 3, 3), as ellipsoids seen along the third axis.

    Their axes are as long as the eigenvalues. Colours say where the principal eigenvector points,
    and fade where no direction stands out; crosses are tensors with a negative eigenvalue.
    """
    figure, axes = canvas(1, len(shown), side=(3.1, 3.4))
    for each, (name, tensors) in zip(axes.flat, shown.items(), strict=True):
        _draw_ellipsoids(each, tensors, size)
        each.set_title(name, fontsize=10)
    return save(figure, path)


def _draw_ellipsoids(axes: Axes, tensors: Tensor, size: float) -> None:
    values, vectors = torch.linalg.eigh(tensors)
    bad = values[..., 0] <= 0
    places = torch.stack(torch.meshgrid(*map(torch.arange, tensors.shape[:2]), indexing="ij"), -1)
    good = ~bad
    shadow = ((vectors * values.square()[..., None, :]) @ vectors.mT)[..., :2, :2][good]
    lengths, ways = torch.linalg.eigh(shadow)
    widths = 2 * lengths.clamp(min=0).sqrt() / (2 * size)  # a voxel is as wide as 2 size µm²/ms
    angles = torch.rad2deg(torch.atan2(ways[:, 1, 1], ways[:, 0, 1]))
    axes.add_collection(
        EllipseCollection(
            widths[:, 1].numpy(),
            widths[:, 0].numpy(),
            angles.numpy(),
            units="xy",
            offsets=places[good].numpy(),
            offset_transform=axes.transData,
            facecolors=_colours(tensors[good], vectors[good][..., 2]).numpy(),
            edgecolors=INK,
            linewidths=0.3,
        )
    )
    x, y = places[bad].T.numpy()
    axes.scatter(x, y, marker="x", s=22, color=INK, linewidths=1.0)
    axes.set_xlim(-0.7, tensors.shape[0] - 0.3)
    axes.set_ylim(-0.7, tensors.shape[1] - 0.3)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _colours(tensors: Tensor, directions: Tensor) -> Tensor:
    """Return a colour for each direction, greyer where the tensor is rounder, (count, 3)."""
    share = fractional_anisotropy(tensors).clamp(0, 1)[:, None]
    return share * (directions.square() @ _AXES) + (1 - share) * _GREY


def draw_errors(found: Mapping[str, Mapping[int, Errors]], path: Path) -> Path:
    """Draw errors of FA and MD over the number of directions; bars are deviations over subsets."""
    figure, axes = canvas(1, 2, side=(4.0, 3.4))
    for k, (name, of) in enumerate(found.items()):
        counts = np.array(list(of)) + 0.12 * (k - (len(found) - 1) / 2)
        for each, what in zip(axes.flat, ("anisotropy", "diffusivity"), strict=True):
            means, bars = zip(*(interval(getattr(e, what)) for e in of.values()), strict=True)
            each.errorbar(counts, means, yerr=bars, label=name, lw=1.0, capsize=2, **marked(k))
    for each in axes.flat:
        each.set_ylim(bottom=0)
        each.set_xticks(list(next(iter(found.values()))))
    label(axes[0, 0], "fractional anisotropy", "directions", "mean error")
    label(axes[0, 1], "mean diffusivity", "directions", "mean error, µm²/ms")
    legend(figure, axes[0, 0])
    return save(figure, path)
