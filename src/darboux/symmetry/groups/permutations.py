"""All permutations of a few things."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from darboux.symmetry.groups.permuting import Permutation, Permuting

_LARGEST = 5


@final
@dataclass(frozen=True, repr=False)
class Permutations(Permuting):
    """The symmetric group S_n of all permutations of n things, in lexicographic order.

    It acts on features alone: `permutation_representation` permutes n channels.

    Source: section 5.1.

    Args:
        n: how many things, 1 to 5.

    Raises:
        ValueError: if n is out of range.

    Example:
        >>> group = Permutations(4)
        >>> group.order, group.irreps()
        (24, ('1', '1b', '2', '3', '3b'))
    """

    n: int

    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or isinstance(self.n, bool) or self.n < 1:
            msg = f"Permutations: expected a number of things n >= 1; got {self.n!r}."
            raise ValueError(msg)
        if self.n > _LARGEST:
            size = f"{math.factorial(self.n)}" if self.n <= 20 else f"{self.n}!"
            msg = (
                f"Permutations: expected n <= {_LARGEST}; got {self.n}, a group of {size} "
                "elements, too many to list. Use PermutationGroup with generators of a smaller one."
            )
            raise ValueError(msg)

    @property
    def points(self) -> int:  # type: ignore[override]
        """The number of things."""
        return self.n

    def __repr__(self) -> str:
        """Return S and the number of things."""
        return f"S{self.n}"

    def listed(self) -> tuple[Permutation, ...]:
        """Return all permutations."""
        return _all(self.n)

    def generators(self) -> tuple[int, ...]:
        """Return the exchange of the first two things, and the cycle of all."""
        if self.n == 1:
            return (0,)
        swap = (1, 0, *range(2, self.n))
        cycle = (*range(1, self.n), 0)
        places = dict.fromkeys((swap, cycle))  # for n = 2 they are one
        return tuple(_all(self.n).index(permutation) for permutation in places)


@lru_cache(maxsize=_LARGEST)
def _all(n: int) -> tuple[Permutation, ...]:
    return tuple(itertools.permutations(range(n)))
