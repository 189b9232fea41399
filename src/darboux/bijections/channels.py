"""The partition into chosen channels and the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.bijections.partition import Partition


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

    def __init__(self, indices: Sequence[int]) -> None:
        found = tuple(indices)
        whole = all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in found)
        if not found or not whole or len(set(found)) != len(found):
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


def _index(places: list[int], x: Tensor) -> Tensor:
    return torch.tensor(places, device=x.device)
