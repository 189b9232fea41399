"""The partition into the first and the second half of the channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from darboux.bijections.partition import Partition


@final
@dataclass(frozen=True)
class Halves(Partition):
    """The first half of the channels and the second; of an odd number, the second has one more.

    Shapes: (batch, channels, *space) -> (batch, ⌊channels/2⌋, *space) and the rest.

    Source: section 4.1.1.

    Example:
        >>> Halves().split(torch.tensor([[1.0, 2.0, 3.0]]))
        (tensor([[1.]]), tensor([[2., 3.]]))
    """

    views: ClassVar[bool] = True

    def channels(self, count: int) -> tuple[int, int]:
        """Return ⌊count/2⌋ and the rest."""
        return count // 2, count - count // 2

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return both halves, as views."""
        first = x.shape[1] // 2
        return x.narrow(1, 0, first), x.narrow(1, first, x.shape[1] - first)

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the halves one after the other."""
        return torch.cat((first, second), 1)
