"""The partition of space into the two colours of a checkerboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.bijections.partition import Partition


@final
@dataclass(frozen=True)
class Checkerboard(Partition):
    """The points whose spatial indices have an even sum, and those with an odd sum.

    Each part has all channels and all points, with zeros at the points of the other part. So
    sub-networks see images, and give parameters for all channels at all points, of which the
    moved points take theirs.

    Shapes: (batch, channels, *space) -> twice the same, with 1 to 3 spatial axes.

    Source: section 4.1.1; Dinh et al. 2017, Density estimation using Real NVP.

    Raises:
        ValueError: when used, if there is no spatial axis.

    Example:
        >>> Checkerboard().split(torch.tensor([[[1.0, 2.0, 3.0]]]))
        (tensor([[[1., 0., 3.]]]), tensor([[[0., 2., 0.]]]))
    """

    def check(self, x: Tensor) -> None:
        """Refuse features without spatial axes."""
        if 3 <= x.ndim <= 5 and x.shape[1] >= 1:
            return
        msg = (
            "Checkerboard: expected (batch, channels, *space) with 1 to 3 spatial axes; got shape "
            f"{tuple(x.shape)}. Use Halves() or Alternating() for features without space."
        )
        raise ValueError(msg)

    def channels(self, count: int) -> tuple[int, int]:
        """Return all channels, twice."""
        return count, count

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x with zeros at the odd points, and with zeros at the even ones."""
        even = _even(x)
        return x.masked_fill(~even, 0), x.masked_fill(even, 0)

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Return x₁ at the even points and x₂ at the odd ones."""
        return torch.where(_even(first), first, second)

    def total(self, values: Tensor, *, first: bool) -> Tensor:
        """Return the sum over the points of one part."""
        even = _even(values)
        own = values.masked_fill(~even if first else even, 0)
        return own.flatten(1).sum(1)

    def spread(self, weights: Tensor, like: Tensor, *, first: bool) -> Tensor:
        """Return the number of each sample at the points of one part, 0 at the others."""
        even = _even(like).to(like.dtype)
        own = even if first else 1 - even
        return weights.to(like.dtype).reshape(-1, *(1,) * (like.ndim - 1)) * own.expand_as(like)


def _even(x: Tensor) -> Tensor:
    """Return where the sum of the spatial indices is even, a mask over space."""
    index = torch.zeros((), dtype=torch.long, device=x.device)
    for size in x.shape[2:]:
        index = index.unsqueeze(-1) + torch.arange(size, device=x.device)
    return index % 2 == 0
