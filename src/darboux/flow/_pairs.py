"""Pairs of states: two halves of the channel axis."""

from __future__ import annotations

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


def halved(x: Tensor) -> Pair:
    """Return the members of a pair."""
    if x.ndim < 2 or x.shape[1] % 2:
        msg = (
            f"DoubledFlow: expected pairs (batch, 2 features, *space); got shape "
            f"{tuple(x.shape)}. Use start(z) to begin at z."
        )
        raise ValueError(msg)
    first, second = x.chunk(2, dim=1)
    return first, second


def paired(pair: Pair) -> Tensor:
    """Return a pair as one tensor."""
    return torch.cat(pair, dim=1)
