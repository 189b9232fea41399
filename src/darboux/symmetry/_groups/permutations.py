"""Groups of permutations."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, final

import torch
from torch import Tensor

from darboux.structure._arguments import Within, checked
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import closure

Permutation = tuple[int, ...]

_Things = Annotated[
    int,
    Within("an integer from 1 to 5 (for more, give generators to PermutationGroup)", 1, 5),
]

_LARGEST_ORDER = 1000


class Permuting(FiniteGroup):
    """A finite group of permutations of 0, ..., points - 1; it moves no pixels.

    Element a maps i to listed()[a][i], and a b maps i to a(b(i)). Irreducible representations
    are found from the table of products, and called by their dimension: "1" (trivial), "1b",
    "2", ...

    Source: section 5.1.
    """

    dim = 0
    points: int

    @abstractmethod
    def listed(self) -> tuple[Permutation, ...]:
        """Return all permutations, the identity first."""

    @property
    def order(self) -> int:
        """The number of permutations."""
        return len(self.listed())

    def products(self) -> Tensor:
        """Return the table of products, (order, order)."""
        return _products(self)

    def faithful(self) -> Tensor:
        """Return the permutation matrices e_i -> e_a(i), (order, points, points)."""
        return _matrices(self)


@lru_cache(maxsize=32)
def _products(group: Permuting) -> Tensor:
    images = torch.tensor(group.listed(), device="cpu")
    place = {permutation: a for a, permutation in enumerate(group.listed())}
    rows = [[place[tuple(ab)] for ab in a[images].tolist()] for a in images]
    return torch.tensor(rows, device="cpu")


@lru_cache(maxsize=32)
def _matrices(group: Permuting) -> Tensor:
    images = torch.tensor(group.listed(), device="cpu")
    return torch.nn.functional.one_hot(images, group.points).mT.to(torch.float64).contiguous()


@final
@checked
@dataclass(frozen=True, repr=False)
class Permutations(Permuting):
    """The symmetric group S_n of all permutations of n things, in lexicographic order.

    It acts on features alone: `permutation_representation` permutes n channels.

    Source: section 5.1.

    Args:
        n: how many things, 1 to 5.

    Raises:
        TypeError: if n is no integer.
        ValueError: if n is out of range.

    Example:
        >>> group = Permutations(4)
        >>> group.order, group.irreps()
        (24, ('1', '1b', '2', '3', '3b'))
    """

    n: _Things

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


@lru_cache(maxsize=5)
def _all(n: int) -> tuple[Permutation, ...]:
    return tuple(itertools.permutations(range(n)))


@final
@checked
@dataclass(frozen=True, repr=False)
class PermutationGroup(Permuting):
    """The group of permutations that some generate, which acts on features alone.

    Its elements are listed by the number of generators that they need. Every finite group is
    one of these.

    Source: section 5.1.

    Args:
        permuting: the generators; each is the tuple of the images of 0, ..., n - 1.

    Raises:
        TypeError: if something else than sequences of integers is given.
        ValueError: if there is no generator, one is no permutation, or they are of different
            length; or if the group has more than 1000 elements.

    Example:
        >>> group = PermutationGroup(((1, 2, 3, 0),))
        >>> group.order, [group.commutant(name) for name in group.irreps()]
        (4, [1, 1, 2])
    """

    permuting: tuple[Permutation, ...]

    def __post_init__(self) -> None:
        given: Sequence[Sequence[int]] = self.permuting
        object.__setattr__(self, "permuting", tuple(tuple(g) for g in given))  # lists too
        if not self.permuting:
            msg = "PermutationGroup: expected at least one permutation; got none."
            raise ValueError(msg)
        for permutation in self.permuting:
            if sorted(permutation) != list(range(self.points)) or not permutation:
                msg = (
                    f"PermutationGroup: expected permutations of 0, ..., {self.points - 1}, each "
                    f"number once; got {permutation}."
                )
                raise ValueError(msg)
        try:
            self.listed()
        except ValueError as error:
            msg = (
                f"PermutationGroup: expected generators of a group of at most {_LARGEST_ORDER} "
                "elements; got those of a larger one, too large to list. Use a subgroup."
            )
            raise ValueError(msg) from error

    @property
    def points(self) -> int:  # type: ignore[override]
        """The number of points."""
        return len(self.permuting[0])

    def __repr__(self) -> str:
        """Return the generators."""
        return f"PermutationGroup({self.permuting})"

    def listed(self) -> tuple[Permutation, ...]:
        """Return all permutations, the identity first."""
        return _closure(self.permuting)

    def generators(self) -> tuple[int, ...]:
        """Return the elements that were given."""
        return tuple(self.listed().index(permutation) for permutation in self.permuting)


@lru_cache(maxsize=32)
def _closure(permuting: tuple[Permutation, ...]) -> tuple[Permutation, ...]:
    identity = tuple(range(len(permuting[0])))
    return closure(permuting, _after, identity, limit=_LARGEST_ORDER)


def _after(a: Permutation, b: Permutation) -> Permutation:
    """Return i -> a(b(i))."""
    return tuple(a[i] for i in b)
