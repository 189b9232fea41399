"""Named coupling layers: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from darboux.bijections import (
    AdditiveCoupling,
    AffineCoupling,
    Alternating,
    Channels,
    Checkerboard,
    SplineCoupling,
)

_CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def _dense(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Linear(5, outputs))


def _conv(dim: int, inputs: int, outputs: int) -> nn.Module:
    conv = _CONVS[dim]
    return nn.Sequential(conv(inputs, 3, 3, padding=1), nn.Tanh(), conv(3, outputs, 1))


CASES: dict[str, Callable[[], nn.Module]] = {
    "additive": lambda: AdditiveCoupling(_dense(2, 2)),
    "additive-swap": lambda: AdditiveCoupling(_dense(3, 2), swap=True),
    "additive-odd": lambda: AdditiveCoupling(_dense(2, 3)),
    "additive-alternating": lambda: AdditiveCoupling(_conv(1, 3, 2), partition=Alternating()),
    "additive-channels": lambda: AdditiveCoupling(
        _conv(2, 2, 2), partition=Channels([3, 0]), swap=True
    ),
    "additive-checkerboard": lambda: AdditiveCoupling(_conv(2, 2, 2), partition=Checkerboard()),
    "additive-context": lambda: AdditiveCoupling(_dense(5, 2), context_features=3),
    "affine": lambda: AffineCoupling(_dense(2, 4)),
    "affine-odd-swap": lambda: AffineCoupling(_dense(3, 4), swap=True, bound=0.5),
    "affine-alternating": lambda: AffineCoupling(_dense(2, 6), partition=Alternating(), swap=True),
    "affine-channels": lambda: AffineCoupling(_dense(1, 4), partition=Channels([1])),
    "affine-1d": lambda: AffineCoupling(_conv(1, 1, 2)),
    "affine-checkerboard": lambda: AffineCoupling(
        _conv(1, 2, 4), partition=Checkerboard(), swap=True
    ),
    "affine-context": lambda: AffineCoupling(_conv(2, 3, 2), context_features=2),
    "affine-3d": lambda: AffineCoupling(_conv(3, 1, 2)),
    "spline": lambda: SplineCoupling(_dense(2, 46)),
    "spline-odd-swap": lambda: SplineCoupling(_dense(3, 22), swap=True, bins=4, tail=2.0),
    "spline-alternating": lambda: SplineCoupling(_dense(3, 10), partition=Alternating(), bins=2),
    "spline-channels": lambda: SplineCoupling(_dense(1, 16), partition=Channels([2]), bins=3),
    "spline-1d": lambda: SplineCoupling(_conv(1, 1, 11), bins=4),
    "spline-checkerboard": lambda: SplineCoupling(_conv(2, 1, 8), partition=Checkerboard(), bins=3),
    "spline-context": lambda: SplineCoupling(_dense(4, 16), bins=3, context_features=2),
    "spline-3d": lambda: SplineCoupling(_conv(3, 1, 8), bins=3),
}

SHAPES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(CASES, (4,)),
    **dict.fromkeys(["additive-odd", "additive-swap", "affine-odd-swap"], (5,)),
    **dict.fromkeys(["affine-alternating", "spline-odd-swap", "spline-alternating"], (5,)),
    **dict.fromkeys(["affine-channels", "spline-channels"], (3,)),
    "additive-alternating": (5, 4),
    "additive-channels": (4, 3, 2),
    "additive-checkerboard": (2, 3, 3),
    "affine-1d": (2, 5),
    "affine-checkerboard": (2, 5),
    "affine-context": (2, 3, 2),
    "affine-3d": (2, 2, 3, 2),
    "spline-1d": (2, 5),
    "spline-checkerboard": (1, 3, 3),
    "spline-3d": (2, 2, 3, 2),
}

CONTEXTS: dict[str, tuple[int, ...]] = {
    "additive-context": (3,),
    "affine-context": (2, 3, 2),
    "spline-context": (2,),
}
