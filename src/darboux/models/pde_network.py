"""Classifiers made of blocks that are discretised partial differential equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from torch import nn

from darboux.models.pde import hamiltonian_block, hyperbolic_block, parabolic_block

Kind = Literal["parabolic", "hyperbolic", "hamiltonian"]
_CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_MEAN = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
_BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "parabolic": parabolic_block,
    "hyperbolic": hyperbolic_block,
    "hamiltonian": hamiltonian_block,
}


def pde_network(
    kind: Kind,
    *,
    in_channels: int,
    classes: int,
    widths: Sequence[int] = (16, 32, 64),
    depth: int = 3,
    dim: int = 2,
) -> nn.Sequential:
    """Return a classifier: opening, blocks of one kind, connectors that halve the image, mean.

    Opening: 3-wide convolution, normalisation, ReLU. Connectors: 1-wide convolution to the next
    width, normalisation, ReLU, average pooling. The structure is that of each block; the
    opening and the connectors have none, and a certificate says so.

    Shapes: (batch, in_channels, *space) -> logits (batch, classes).

    Source: Ruthotto and Haber 2018; sections 2.1.1 and 2.1.2.

    Args:
        kind: "parabolic", "hyperbolic" or "hamiltonian".
        in_channels: of the image.
        classes: the number of logits.
        widths: channels of each block, even numbers for "hamiltonian".
        depth: steps in each block.
        dim: spatial axes, 1 to 3.

    Raises:
        ValueError: if the kind is unknown or there are no widths.

    Example:
        >>> import torch
        >>> net = pde_network("parabolic", in_channels=1, classes=10, widths=(4, 8), depth=2)
        >>> net(torch.rand(2, 1, 9, 9)).shape
        torch.Size([2, 10])
    """
    if kind not in _BLOCKS or not widths:
        kinds = ", ".join(get_args(Kind))
        msg = (
            f"pde_network: expected one of {kinds} and at least one width; got {kind!r}, {widths}."
        )
        raise ValueError(msg)
    layers = _opening(in_channels, widths[0], dim)
    for here, there in zip(widths, (*widths[1:], None), strict=True):
        layers.append(_BLOCKS[kind](here, depth=depth, dim=dim))
        if there is not None:
            layers += _connector(here, there, dim)
    head = [_MEAN[dim](1), nn.Flatten(), nn.Linear(widths[-1], classes)]
    return nn.Sequential(*layers, *head)


def _opening(channels: int, width: int, dim: int) -> list[nn.Module]:
    return [_CONV[dim](channels, width, 3, padding=1, bias=False), _NORM[dim](width), nn.ReLU()]


def _connector(here: int, there: int, dim: int) -> list[nn.Module]:
    return [
        _CONV[dim](here, there, 1, bias=False),
        _NORM[dim](there),
        nn.ReLU(),
        _POOL[dim](2, ceil_mode=True),
    ]
