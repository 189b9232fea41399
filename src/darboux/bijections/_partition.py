"""Partitions of the features of a coupling layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from darboux.solvers._transforms import nesting
from darboux.structure._arguments import Natural, checked


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


@final
@dataclass(frozen=True, init=False)
class Channels(Partition):
    """The channels with given indices, in the given order, and the others.

    Shapes: (batch, channels, *space) -> (batch, len(indices), *space) and the rest.

    Source: section 4.1.1.

    Args:
        indices: channels of the first part, each once.

    Raises:
        ValueError: if there are none, one comes twice or is negative; when used, if one does
            not exist or no channel is left.

    Example:
        >>> Channels([2, 0]).split(torch.tensor([[1.0, 2.0, 3.0]]))
        (tensor([[3., 1.]]), tensor([[2.]]))
    """

    indices: tuple[int, ...]

    @checked
    def __init__(self, indices: Sequence[Natural]) -> None:
        found = tuple(indices)
        if not found or len(set(found)) != len(found):
            msg = (
                "Channels: expected indices of channels, each once and counted from 0; got "
                f"{list(found)}. Use e.g. Channels([0, 3])."
            )
            raise ValueError(msg)
        object.__setattr__(self, "indices", found)

    def check(self, x: Tensor) -> None:
        """Refuse features without the channels, or without others."""
        axes, count = x.ndim, x.shape[1] if x.ndim > 1 else 0
        if 2 <= axes <= 5 and max(self.indices) < count and len(self.indices) < count:
            return
        msg = (
            f"Channels: expected (batch, channels, *space) with the channels {list(self.indices)} "
            f"and others, and 0 to 3 spatial axes; got shape {tuple(x.shape)}. Use indices below "
            "the number of channels, and not all of them."
        )
        raise ValueError(msg)

    def channels(self, count: int) -> tuple[int, int]:
        """Return the number of indices and the rest."""
        return len(self.indices), count - len(self.indices)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the chosen channels and the others."""
        first, second = self._order(x.shape[1])
        return tuple(x.index_select(1, _index(part, x)) for part in (first, second))  # type: ignore[return-value]

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Return every channel at its place."""
        joined = torch.cat((first, second), 1)
        order = [i for part in self._order(joined.shape[1]) for i in part]
        places = sorted(range(len(order)), key=order.__getitem__)
        return joined.index_select(1, _index(places, joined))

    def _order(self, count: int) -> tuple[list[int], list[int]]:
        chosen = list(self.indices)
        return chosen, [i for i in range(count) if i not in chosen]


def dense(part: Tensor) -> Tensor:
    """Return a part without gaps in its memory."""
    # Processors convolve few channels in 3-D in half of the time where channels come last.
    narrow = part.dtype in (torch.float32, torch.bfloat16) and not nesting()
    if part.ndim == 5 and part.device.type == "cpu" and narrow:
        return part.contiguous(memory_format=torch.channels_last_3d)
    return part.contiguous()


def _index(places: list[int], x: Tensor) -> Tensor:
    return torch.tensor(places, device=x.device)


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
