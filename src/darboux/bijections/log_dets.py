"""Small things that log-determinants need."""

from __future__ import annotations

import math

from torch import Tensor


def zeros(x: Tensor) -> Tensor:
    """Return (batch,) zeros: the log-determinants of a map that preserves volume.

    Example:
        >>> import torch
        >>> zeros(torch.ones(2, 3))
        tensor([0., 0.])
    """
    return x.new_zeros(x.shape[0])


def points(x: Tensor) -> int:
    """Return P, the number of points of the image of a sample; 1 for dense features.

    Example:
        >>> import torch
        >>> points(torch.ones(2, 3, 4, 5)), points(torch.ones(2, 3))
        (20, 1)
    """
    return math.prod(x.shape[2:])
