"""A fixed order of the channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import bijective
from darboux.bijections._matrices import check_channels
from darboux.bijections._orthogonal_linear import OrthogonalBijection
from darboux.structure import Claims
from darboux.structure._arguments import Count, Natural, checked


@final
class Permutation(OrthogonalBijection):
    """y_i = x_{π(i)}: the channels in another order.

    Shapes: x and y are (batch, channels, *space).

    Source: section 4.1.3.

    Args:
        indices: π, every number from 0 to channels - 1 once.

    Raises:
        ValueError: if it is no permutation.

    Example:
        >>> Permutation([2, 0, 1])(torch.tensor([[10.0, 20.0, 30.0]]))
        tensor([[30., 10., 20.]])
    """

    indices: Tensor

    @checked
    def __init__(self, indices: Sequence[Natural]) -> None:
        super().__init__()
        order = check_permutation("Permutation", indices)
        self.channels = len(order)
        self.indices = nn.Buffer(torch.tensor(order))

    @classmethod
    @checked
    def random(cls, features: Count, *, generator: torch.Generator | None = None) -> Permutation:
        """Return a permutation drawn uniformly.

        Args:
            features: how many channels.
            generator: source of the draw; the global one if None.
        """
        order = torch.randperm(features, generator=generator)
        return cls(order.tolist())

    @classmethod
    @checked
    def reverse(cls, features: Count) -> Permutation:
        """Return the permutation that turns the order of the channels round."""
        return cls(range(features - 1, -1, -1))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return x with its channels in the order π."""
        del context
        check_channels("Permutation", x, self.channels)
        return x.index_select(1, self.indices)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return y with its channels in the order π⁻¹."""
        del context
        check_channels("Permutation", y, self.channels)
        return y.index_select(1, self.indices.argsort())

    def claims(self) -> Claims:
        """Return that channels only change places."""
        return bijective("channels change places", volume=True, isometric=True)

    def extra_repr(self) -> str:
        """Return the number of channels."""
        return f"channels={self.channels}"


def check_permutation(name: str, indices: Sequence[int]) -> list[int]:
    """Return the indices as a list, or refuse what is no permutation of 0, ..., n-1."""
    order = list(indices)
    if not order or sorted(order) != list(range(len(order))):
        msg = (
            f"{name}: expected every index from 0 to n-1 once; got {order}. Use "
            "torch.randperm(n).tolist(), or list(range(n))."
        )
        raise ValueError(msg)
    return order
