"""Named linear maps: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import parametrize

from darboux.linear import (
    Composed,
    Conv,
    Dense,
    FiniteDifference,
    Lift,
    LinearMap,
    Nonnegative,
    Orthogonal,
    OrthogonalKernel,
    Scaled,
    Shrunk,
    Skew,
    SkewPart,
    Spectral,
    Stacked,
    Transposed,
)

Build = Callable[[], LinearMap]


def _constrained(build: Build, constraint: Callable[[], nn.Module]) -> LinearMap:
    linear = build()
    parametrize.register_parametrization(linear, "weight", constraint())
    return linear


def _zero_row() -> LinearMap:
    linear = Dense(3, 4)
    with torch.no_grad():
        linear.weight[1] = 0
    return linear


def _zero_product() -> Composed:
    # Without borders the two differences would cancel the constant; with them nothing does.
    return Composed(
        FiniteDifference(2, dim=1, padding_mode="zeros"),
        Conv(2, 2, kernel_size=2, dim=1, padding_mode="zeros"),
    )


_CASES: dict[str, Build] = {
    "dense-wide": lambda: Dense(7, 4),
    "dense-tall": lambda: Dense(3, 5),
    "dense-one": lambda: Dense(1, 1),
    "dense-zero-row": _zero_row,
    "dense-skew": lambda: _constrained(lambda: Dense(4, 4), Skew),
    "dense-spectral": lambda: _constrained(lambda: Dense(4, 6), lambda: Spectral(norm=0.5)),
    "dense-shrunk-wide": lambda: Shrunk(Dense(7, 4), norm=0.5),
    "dense-shrunk-tall": lambda: Shrunk(Dense(3, 5), norm=0.5),
    "dense-shrunk-spectral": lambda: Shrunk(Dense(4, 6), norm=0.5, by="spectral"),
    "conv-shrunk": lambda: Shrunk(Conv(2, 3, kernel_size=3, dim=2), norm=0.5),
    "dense-orthogonal-exp": lambda: _constrained(lambda: Dense(3, 5), Orthogonal),
    "dense-orthogonal-cayley": lambda: _constrained(
        lambda: Dense(5, 3), lambda: Orthogonal("cayley")
    ),
    "dense-nonnegative": lambda: _constrained(lambda: Dense(4, 3), Nonnegative),
    "conv1d-circular": lambda: Conv(2, 3, kernel_size=5, dim=1),
    "conv1d-zeros": lambda: Conv(3, 2, kernel_size=3, dim=1, padding_mode="zeros"),
    "conv1d-long-kernel": lambda: Conv(1, 2, kernel_size=9, dim=1),
    "conv1d-spectral": lambda: _constrained(
        lambda: Conv(2, 2, kernel_size=3, dim=1), lambda: Spectral(norm=0.7)
    ),
    "conv1d-skew": lambda: _constrained(lambda: Conv(2, 2, kernel_size=3, dim=1), Skew),
    "conv1d-orthogonal-groups": lambda: _constrained(
        lambda: Conv(4, 6, kernel_size=2, dim=1), lambda: OrthogonalKernel(groups=2)
    ),
    "conv2d-orthogonal-zeros": lambda: _constrained(
        lambda: Conv(3, 3, kernel_size=3, dim=2, padding_mode="zeros"), OrthogonalKernel
    ),
    "conv2d-orthogonal-wide": lambda: _constrained(
        lambda: Conv(3, 2, kernel_size=(3, 1), dim=2), OrthogonalKernel
    ),
    "conv3d-orthogonal": lambda: _constrained(
        lambda: Conv(2, 3, kernel_size=2, dim=3), OrthogonalKernel
    ),
    "conv2d-circular": lambda: Conv(2, 3, kernel_size=3, dim=2),
    "conv2d-zeros": lambda: Conv(2, 3, kernel_size=3, dim=2, padding_mode="zeros"),
    "conv2d-even": lambda: Conv(2, 2, kernel_size=2, dim=2),
    "conv2d-even-zeros": lambda: Conv(2, 2, kernel_size=4, dim=2, padding_mode="zeros"),
    "conv2d-oblong": lambda: Conv(2, 1, kernel_size=(1, 4), dim=2),
    "conv2d-pointwise": lambda: Conv(3, 4, kernel_size=1, dim=2, padding_mode="zeros"),
    "conv3d-circular": lambda: Conv(1, 2, kernel_size=3, dim=3),
    "conv3d-mixed-zeros": lambda: Conv(2, 1, kernel_size=(2, 1, 3), dim=3, padding_mode="zeros"),
    "transposed-conv2d": lambda: Transposed(Conv(2, 3, kernel_size=2, dim=2)),
    "transposed-product": lambda: Transposed(_zero_product()),
    "difference1d": lambda: FiniteDifference(2, dim=1),
    "difference2d-zeros": lambda: FiniteDifference(1, dim=2, padding_mode="zeros"),
    "difference3d": lambda: FiniteDifference(1, dim=3),
    "skew-dense": lambda: SkewPart(Dense(4, 4), damping=0.5),
    "skew-conv2d": lambda: SkewPart(Conv(2, 2, kernel_size=3, dim=2)),
    "skew-conv2d-even-zeros": lambda: SkewPart(
        Conv(2, 2, kernel_size=2, dim=2, padding_mode="zeros"), damping=0.1
    ),
    "skew-product": lambda: SkewPart(_zero_product(), damping=0.1),
    "scaled-conv1d": lambda: Scaled(Conv(2, 3, kernel_size=3, dim=1), factor=-2.0),
    "scaled-product": lambda: Scaled(_zero_product(), factor=0.5),
    "composed-dense": lambda: Composed(Dense(3, 4), Dense(5, 3)),
    "composed-circular": lambda: Composed(
        Conv(3, 2, kernel_size=2, dim=2), Conv(2, 3, kernel_size=(3, 1), dim=2)
    ),
    "composed-zeros": _zero_product,
    "composed-one": lambda: Composed(Conv(2, 2, kernel_size=3, dim=1, padding_mode="zeros")),
    "composed-with-lift": lambda: Composed(
        Conv(8, 4, kernel_size=3, dim=2), Lift(2, 8, dim=2, shuffle=2)
    ),
    "stacked-circular": lambda: Stacked(
        Conv(2, 3, kernel_size=3, dim=2), FiniteDifference(2, dim=2)
    ),
    "stacked-mixed": lambda: Stacked(
        Conv(2, 1, kernel_size=3, dim=1, padding_mode="zeros"), Conv(2, 3, kernel_size=2, dim=1)
    ),
    "lift-dense": lambda: Lift(2, 5, dim=0),
    "lift-zeros": lambda: Lift(1, 3, dim=1),
    "lift-shuffle": lambda: Lift(2, 9, dim=2, shuffle=2),
    "lift-shuffle-3d": lambda: Lift(1, 8, dim=3, shuffle=2),
    "lift-tight": lambda: Lift(1, 6, dim=2, shuffle=2, frame="tight"),
}


def _seeded(build: Build) -> Build:
    def factory() -> LinearMap:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return build()

    return factory


CASES: dict[str, Build] = {name: _seeded(build) for name, build in _CASES.items()}


def example_shape(linear: LinearMap, *, batch: int = 2) -> tuple[int, ...]:
    """Return the shape of an input of a map in the catalogue, with an image of even size.

    Example:
        >>> example_shape(CASES["conv2d-circular"]())
        (2, 2, 6, 4)
    """
    return (batch, linear.in_features, *(6, 4, 2)[: linear.dim])
