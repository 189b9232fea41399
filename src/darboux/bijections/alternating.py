"""The partition into even and odd channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.bijections.partition import Partition


@final
@dataclass(frozen=True)
class Alternating(Partition):
    """The channels 0, 2, 4, ... and the channels 1, 3, 5, ...

    Shapes: (batch, channels, *space) -> (batch, ⌈channels/2⌉, *space) and the rest.

    Source: section 4.1.1.

    Example:
        >>> Alternating().split(torch.tensor([[1.0, 2.0, 3.0]]))
        (tensor([[1., 3.]]), tensor([[2.]]))
    """

    def channels(self, count: int) -> tuple[int, int]:
        """Return ⌈count/2⌉ and the rest."""
        return count - count // 2, count // 2

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the even and the odd channels, as views."""
        return x[:, ::2], x[:, 1::2]

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the channels of both in turns."""
        pairs = second.shape[1]
        joined = torch.stack((first[:, :pairs], second), 2).flatten(1, 2)
        return joined if first.shape[1] == pairs else torch.cat((joined, first[:, pairs:]), 1)
