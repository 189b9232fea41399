"""The group that some permutations generate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from darboux.symmetry.groups.closure import closure
from darboux.symmetry.groups.permuting import Permutation, Permuting

_LARGEST = 1000


@final
@dataclass(frozen=True, repr=False)
class PermutationGroup(Permuting):
    """The group of permutations that some generate, which acts on features alone.

    Its elements are listed by the number of generators that they need. Every finite group is
    one of these.

    Source: section 5.1.

    Args:
        permuting: the generators; each is the tuple of the images of 0, ..., n - 1.

    Raises:
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
                f"PermutationGroup: expected generators of a group of at most {_LARGEST} elements; "
                "got those of a larger one, too large to list. Use a subgroup."
            )
            raise ValueError(msg) from error

    @property
    def points(self) -> int:  # type: ignore[override]
        """How many numbers are permuted."""
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
    return closure(permuting, _after, identity, limit=_LARGEST)


def _after(a: Permutation, b: Permutation) -> Permutation:
    """Return i -> a(b(i))."""
    return tuple(a[i] for i in b)
