"""The activations that the conformance tests run over, awkward ones among them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from darboux.activations import (
    ELU,
    Activation,
    Clip,
    GroupSort,
    Identity,
    LeakyReLU,
    LipSwish,
    ReLU,
    Sigmoid,
    Softplus,
    Tanh,
)


def _uneven_clip() -> Activation:
    """Return a clip whose four thresholds differ by two orders of magnitude."""
    clip = Clip(4)
    logs = torch.linspace(-2.3, 2.3, 4).reshape(4, 1, 1)
    clip.log_threshold = nn.Parameter(logs)
    return clip


CASES: dict[str, Callable[[], Activation]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "leaky_relu_negative": lambda: LeakyReLU(slope=-0.5),
    "leaky_relu_steep": lambda: LeakyReLU(slope=3.0),
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
    "softplus_sharp": lambda: Softplus(beta=20.0),
    "softplus_flat": lambda: Softplus(beta=0.1),
    "identity": Identity,
    "clip": Clip,
    "clip_per_channel": lambda: Clip(4, threshold=0.5),
    "clip_uneven": _uneven_clip,
    "elu": ELU,
    "lip_swish": LipSwish,
    "lip_swish_sharp": lambda: LipSwish(beta=8.0),
    "lip_swish_flat": lambda: LipSwish(beta=-1.0),
    "group_sort": GroupSort,
    "group_sort_of_four": lambda: GroupSort(group=4),
}
"""Every case takes (batch, 4, height, width)."""
