"""The subgroup that elements of a finite group generate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import closure


@final
@checked
@dataclass(frozen=True, repr=False)
class Subgroup(FiniteGroup):
    """The subgroup of a finite group that some of its elements generate, acting on space alike.

    Its elements are numbered anew, the identity first. Irreducible representations are found
    from the table of products, and called by their dimension: "1" (trivial), "1b", "2", ...

    Source: section 5.1.

    Args:
        parent: the group.
        generating: elements of it; none generate the trivial subgroup.

    Raises:
        TypeError: if the group is not finite, or an element no integer.
        ValueError: if one is no element of the group.

    Example:
        >>> from darboux.symmetry import Dihedral
        >>> mirror = Subgroup(Dihedral(4), (4,))
        >>> mirror.order, mirror.action(1).tolist()
        (2, [[1.0, 0.0], [0.0, -1.0]])
    """

    parent: FiniteGroup
    generating: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "generating", tuple(self.generating))  # lists too
        for a in self.generating:
            if a not in range(self.parent.order):
                msg = (
                    f"Subgroup: expected elements of {self.parent.describe()}, numbers from 0 to "
                    f"{self.parent.order - 1}; got {a!r}."
                )
                raise ValueError(msg)

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension of the space that it acts on."""
        return self.parent.dim

    @property
    def order(self) -> int:
        """The number of elements."""
        return len(self.members())

    def __repr__(self) -> str:
        """Return the group and the generators."""
        return f"Subgroup({self.parent.describe()}, {self.generating})"

    def members(self) -> tuple[int, ...]:
        """Return its elements by their numbers in the larger group, the identity first."""
        return _members(self)

    def generators(self) -> tuple[int, ...]:
        """Return the elements that were given, by their own numbers."""
        return tuple(self.members().index(a) for a in self.generating) or (0,)

    def faithful(self) -> Tensor:
        """Return the matrices of the larger group."""
        return self.parent.faithful()[list(self.members())]

    def products(self) -> Tensor:
        """Return the table of products, (order, order)."""
        return _products(self)


@lru_cache(maxsize=64)
def _members(subgroup: Subgroup) -> tuple[int, ...]:
    parent = subgroup.parent
    return closure(subgroup.generating, parent.compose, 0, limit=parent.order)


@lru_cache(maxsize=64)
def _products(subgroup: Subgroup) -> Tensor:
    members = list(subgroup.members())
    place = torch.empty(subgroup.parent.order, dtype=torch.long, device="cpu")
    place[members] = torch.arange(len(members), device="cpu")
    return place[subgroup.parent.products()[members][:, members]]
