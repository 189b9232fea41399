"""Scalings of the plane by powers of one factor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor


@final
@dataclass(frozen=True)
class Scalings:
    """The dilations f -> f(·/s), s = factor^j, seen at `count` scales s_0 < s_0 factor < ...

    The group is infinite and not compact, so only a window of scales can be stored: a dilation
    by the factor moves what was at scale k to scale k + 1, what was at the last one is lost, and
    nothing is known about the first one.

    Source: slides, symmetry; Sosnovik, Szmaja and Smeulders 2020, Scale-equivariant steerable
    networks.

    Args:
        factor: the ratio of neighbouring scales, > 1.
        count: how many scales, >= 1.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> Scalings(2.0, 3).steps(0.5)
        (0.5, 1.0, 2.0)
    """

    factor: float = 2**0.5
    count: int = 4

    def __post_init__(self) -> None:
        if not (isinstance(self.factor, (int, float)) and 1 < self.factor < math.inf):
            msg = f"Scalings: expected a factor > 1; got {self.factor!r}. Use, for instance, √2."
            raise ValueError(msg)
        if not isinstance(self.count, int) or isinstance(self.count, bool) or self.count < 1:
            msg = f"Scalings: expected a number of scales >= 1; got {self.count!r}."
            raise ValueError(msg)

    def steps(self, smallest: float) -> tuple[float, ...]:
        """Return s_0, s_0 factor, ..., beginning with the smallest."""
        return tuple(smallest * self.factor**k for k in range(self.count))

    def split(self, x: Tensor) -> Tensor:
        """Return (batch, fields·scales, *space) as (batch, fields, scales, *space).

        Raises:
            ValueError: if the channels are no multiple of the number of scales.
        """
        if x.ndim < 2 or x.shape[1] % self.count:
            msg = (
                f"Expected channels on axis 1 that are a multiple of {self.count} scales; got "
                f"shape {tuple(x.shape)}. Use what a ScaleConv with the same scales returned."
            )
            raise ValueError(msg)
        return x.unflatten(1, (-1, self.count))

    def describe(self) -> str:
        """Return the name of the group, for tables."""
        return f"scalings by {self.factor:.4g} at {self.count} scales"
