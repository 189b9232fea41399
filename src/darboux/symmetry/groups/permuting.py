"""What all groups of permutations share."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry.groups.finite import FiniteGroup

Permutation = tuple[int, ...]


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
        """How many permutations there are."""
        return len(self.listed())

    def products(self) -> Tensor:
        """Return the table of products, (order, order)."""
        return _products(self)

    def faithful(self) -> Tensor:
        """Return the permutation matrices e_i -> e_a(i), (order, points, points)."""
        return _matrices(self)


@lru_cache(maxsize=32)
def _products(group: Permuting) -> Tensor:
    images = torch.tensor(group.listed())
    place = {permutation: a for a, permutation in enumerate(group.listed())}
    rows = [[place[tuple(ab)] for ab in a[images].tolist()] for a in images]
    return torch.tensor(rows)


@lru_cache(maxsize=32)
def _matrices(group: Permuting) -> Tensor:
    images = torch.tensor(group.listed())
    return torch.nn.functional.one_hot(images, group.points).mT.to(torch.float64).contiguous()
