"""Named linear bijections, resamplings and normalisations: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from darboux.bijections import (
    ActNorm,
    EmergingConv,
    GivensLinear,
    Haar,
    HouseholderLinear,
    Inverse,
    LULinear,
    OrthogonalLinear,
    OrthogonalResampling,
    PeriodicConv,
    Permutation,
    PixelShuffle,
)


def _pivoted() -> LULinear:
    rows = [[0.0, 2.0, 1.0], [-1.0, 0.5, 0.0], [0.3, 0.0, 1.5]]
    matrix = torch.tensor(rows, device="cpu")
    return LULinear.from_matrix(matrix, floor=0.1)


def _normalised() -> ActNorm:
    layer = ActNorm(3)
    with torch.no_grad():
        layer.shift.copy_(torch.tensor([0.5, -1.0, 2.0]))
        layer.log_scale.copy_(torch.tensor([0.3, -0.7, 0.1]))
    return layer


CASES: dict[str, Callable[[], nn.Module]] = {
    "lu-dense": lambda: LULinear(5),
    "lu-1d-pivoted": _pivoted,
    "lu-2d-permuted": lambda: LULinear(4, floor=0.1, permutation=[2, 0, 3, 1]),
    "lu-3d-one": lambda: LULinear(1),
    "lu-inverse": lambda: Inverse(LULinear(4)),
    "householder-dense": lambda: HouseholderLinear(5),
    "householder-2d-thin": lambda: HouseholderLinear(7, reflections=2),
    "orthogonal-exp-dense": lambda: OrthogonalLinear(5),
    "orthogonal-cayley-3d": lambda: OrthogonalLinear(3, map="cayley"),
    "givens-dense-odd": lambda: GivensLinear(5),
    "givens-1d-even": lambda: GivensLinear(6, layers=3),
    "givens-2d-two": lambda: GivensLinear(2),
    "permutation-dense": lambda: Permutation([2, 0, 3, 1]),
    "permutation-2d": lambda: Permutation.reverse(3),
    "periodic-1d-even": lambda: PeriodicConv(3, kernel_size=4, dim=1),
    "periodic-2d": lambda: PeriodicConv(2, kernel_size=3, dim=2, norm=0.7),
    "periodic-2d-small": lambda: PeriodicConv(2, kernel_size=(5, 2), dim=2),
    "periodic-3d": lambda: PeriodicConv(2, kernel_size=(3, 2, 3), dim=3),
    "emerging-1d": lambda: EmergingConv(3, kernel_size=5, dim=1),
    "emerging-2d": lambda: EmergingConv(2, kernel_size=3, dim=2),
    "emerging-2d-long": lambda: EmergingConv(2, kernel_size=(3, 5), dim=2, floor=0.2),
    "emerging-2d-column": lambda: EmergingConv(2, kernel_size=(3, 1), dim=2),
    "emerging-3d": lambda: EmergingConv(2, kernel_size=3, dim=3),
    "shuffle-1d": lambda: PixelShuffle(1, stride=3),
    "shuffle-2d": lambda: PixelShuffle(2),
    "shuffle-3d-flat": lambda: PixelShuffle(3, stride=(1, 2, 2)),
    "haar-1d": lambda: Haar(1),
    "haar-2d": lambda: Haar(2),
    "haar-3d": lambda: Haar(3),
    "haar-2d-inverse": lambda: Inverse(Haar(2)),
    "resampling-1d-exp": lambda: OrthogonalResampling(2, dim=1, map="exp"),
    "resampling-1d-three": lambda: OrthogonalResampling(
        2, dim=1, stride=3, map="householder", init="pixel-shuffle"
    ),
    "resampling-2d": lambda: OrthogonalResampling(3, dim=2),
    "resampling-2d-inverse": lambda: Inverse(OrthogonalResampling(2, dim=2, map="householder")),
    "resampling-3d": lambda: OrthogonalResampling(1, dim=3, init="pixel-shuffle"),
    "act-norm-dense": _normalised,
    "act-norm-2d": _normalised,
}

SHAPES: dict[str, tuple[int, ...]] = {
    "lu-dense": (5,),
    "lu-1d-pivoted": (3, 4),
    "lu-2d-permuted": (4, 3, 2),
    "lu-3d-one": (1, 2, 3, 2),
    "lu-inverse": (4, 3),
    "householder-dense": (5,),
    "householder-2d-thin": (7, 2, 3),
    "orthogonal-exp-dense": (5,),
    "orthogonal-cayley-3d": (3, 2, 2, 3),
    "givens-dense-odd": (5,),
    "givens-1d-even": (6, 3),
    "givens-2d-two": (2, 3, 2),
    "permutation-dense": (4,),
    "permutation-2d": (3, 2, 3),
    "periodic-1d-even": (3, 7),
    "periodic-2d": (2, 4, 5),
    "periodic-2d-small": (2, 3, 1),
    "periodic-3d": (2, 3, 2, 4),
    "emerging-1d": (3, 6),
    "emerging-2d": (2, 4, 3),
    "emerging-2d-long": (2, 3, 4),
    "emerging-2d-column": (2, 4, 2),
    "emerging-3d": (2, 3, 2, 3),
    "shuffle-1d": (2, 6),
    "shuffle-2d": (2, 4, 2),
    "shuffle-3d-flat": (1, 3, 2, 4),
    "haar-1d": (2, 6),
    "haar-2d": (2, 4, 2),
    "haar-3d": (1, 2, 4, 2),
    "haar-2d-inverse": (8, 2, 1),
    "resampling-1d-exp": (2, 6),
    "resampling-1d-three": (2, 6),
    "resampling-2d": (3, 4, 2),
    "resampling-2d-inverse": (8, 2, 1),
    "resampling-3d": (1, 2, 4, 2),
    "act-norm-dense": (3,),
    "act-norm-2d": (3, 2, 3),
}

CONTEXTS: dict[str, tuple[int, ...]] = {}
