"""Small networks: the conditioners of couplings and the blocks of classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Literal

from torch import nn

from darboux.structure._arguments import Within

Build = Callable[[], nn.Module]

Normalization = Literal["instance", "batch"]

# Of layers whose weights grow with the square.
Width = Annotated[int, Within("an integer from 1 to 32768", least=1, most=2**15)]

Depth = Annotated[int, Within("an integer from 1 to 10000", least=1, most=10_000)]

Rate = Annotated[float, Within("a number of 0 or more, below 1", least=0, below=1)]

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}

UP = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}

POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}

MEAN = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}

_BATCH_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def dense_network(
    inputs: int,
    outputs: int,
    *,
    hidden: Sequence[int] = (64, 64),
    activation: Build = nn.ReLU,
    zero: bool = True,
) -> nn.Sequential:
    """Return affine maps with activations in between."""
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for here, there in pairwise(widths):
        layers += [nn.Linear(here, there), activation()]
    return nn.Sequential(*layers, _last(nn.Linear(widths[-1], outputs), zero=zero))


def convolutional_network(
    inputs: int,
    outputs: int,
    *,
    hidden: Sequence[int],
    dim: int = 2,
    kernels: Sequence[int] | None = None,
    activation: Build = nn.ReLU,
    normalization: Normalization | None = None,
    dropout: float = 0.0,
    zero: bool = True,
) -> nn.Sequential:
    """Return convolutions, each but the last with normalisation, activation and dropout."""
    widths = [inputs, *hidden]
    sizes = [3] * (len(hidden) + 1) if kernels is None else list(kernels)
    layers: list[nn.Module] = []
    for here, there, kernel in zip(widths, hidden, sizes, strict=False):
        free = normalization is None  # a normalisation brings a bias of its own
        layers.append(CONV[dim](here, there, kernel, padding=kernel // 2, bias=free))
        layers += [*normalizations(normalization, there, dim=dim), activation()]
        layers += [nn.Dropout(dropout)] if dropout else []
    last = CONV[dim](widths[-1], outputs, sizes[-1], padding=sizes[-1] // 2)
    return nn.Sequential(*layers, _last(last, zero=zero))


def normalizations(kind: Normalization | None, channels: int, *, dim: int) -> list[nn.Module]:
    """Return a list with the normalisation, empty for None."""
    if kind is None:
        return []
    if kind == "batch":
        return [_BATCH_NORM[dim](channels)]
    # groups of one channel: instance normalisation, which takes empty batches here
    return [nn.GroupNorm(channels, channels)]


def _last(layer: nn.Module, *, zero: bool) -> nn.Module:
    if zero:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    return layer
