"""The abstract partition of the features of a coupling layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor


class Partition(ABC):
    """Two parts x = (x₁, x₂) of the features: a coupling keeps one and moves the other.

    Both parts have axes (batch, channels, *space). A part may hold entries that are not its
    own, as a checkerboard does; `join` and `total` look at those of the part only.

    Source: section 4.1.1.
    """

    views: ClassVar[bool] = False  # whether parts are disjoint views of the features

    @abstractmethod
    def channels(self, count: int) -> tuple[int, int]:
        """Return how many channels both parts of `count` channels have."""

    @abstractmethod
    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x₁ and x₂."""

    @abstractmethod
    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the x with the parts x₁ and x₂."""

    def check(self, x: Tensor) -> None:
        """Refuse features that cannot be split.

        Raises:
            ValueError: if a part would be empty, or the shape has the wrong number of axes.
        """
        if 2 <= x.ndim <= 5 and x.shape[1] >= 2:
            return
        msg = (
            f"{type(self).__name__}: expected (batch, channels, *space) with at least 2 channels "
            f"and 0 to 3 spatial axes; got shape {tuple(x.shape)}. Use a layer before that makes "
            "more channels, e.g. PixelShuffle."
        )
        raise ValueError(msg)

    def total(self, values: Tensor, *, first: bool) -> Tensor:
        """Return the sum over all entries of one part, (batch,).

        Args:
            values: as split gives them, one for each entry.
            first: whether they are those of x₁.
        """
        del first
        return values.flatten(1).sum(1)

    def spread(self, weights: Tensor, like: Tensor, *, first: bool) -> Tensor:
        """Return the adjoint of `total`: the number of each sample at all entries of one part.

        Args:
            weights: one for each sample, (batch,).
            like: a part, as split gives it.
            first: whether it is x₁.
        """
        del first
        return weights.to(like.dtype).reshape(-1, *(1,) * (like.ndim - 1)).expand_as(like)
