"""Equivariant linear maps from products of two fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import final

import torch
from torch import Tensor

from darboux.symmetry._feature import Feature
from darboux.symmetry._representations import Representation, intertwiners

_MOST = 2048  # unknowns of one null space; its cost grows with their cube


@lru_cache(maxsize=512)
def product_basis(left: Representation, right: Representation, target: Representation) -> Tensor:
    """Return an orthonormal basis of the equivariant maps from x ⊗ y, (count, n, n_l, n_r).

    Args:
        left: how x transforms.
        right: how y transforms.
        target: how the result transforms.

    Raises:
        ValueError: if the fields are so large that the basis is not affordable.

    Example:
        >>> from darboux.symmetry import SO2, irreducible
        >>> one, two = (irreducible(SO2(), k) for k in "12")
        >>> product_basis(one, one, two).shape
        torch.Size([2, 2, 2, 2])
    """
    unknowns = left.size * right.size * target.size
    if unknowns > _MOST:
        msg = (
            f"Expected fields whose products have at most {_MOST} entries; got {left.name} ⊗ "
            f"{right.name} -> {target.name} with {unknowns}. Use smaller fields."
        )
        raise ValueError(msg)
    generators = target.group.generators()
    sources = [torch.kron(left.matrix(g), right.matrix(g)) for g in generators]
    found = intertwiners(sources, [target.matrix(g) for g in generators])
    return found.reshape(-1, target.size, left.size, right.size)


@lru_cache(maxsize=512)
def square_basis(kind: Representation, target: Representation) -> Tensor:
    """Return an orthonormal basis of the equivariant maps from x ⊗ x, (count, n, n_x, n_x).

    Those that are antisymmetric in the two factors vanish on x ⊗ x, and are left out.

    Example:
        >>> from darboux.symmetry import SO2, irreducible
        >>> square_basis(irreducible(SO2(), "1"), irreducible(SO2(), "0")).shape
        torch.Size([1, 1, 2, 2])
    """
    every = product_basis(kind, kind, target)
    if not len(every):
        return every
    symmetric = 0.5 * (every + every.mT)
    _, values, vectors = torch.linalg.svd(symmetric.flatten(1), full_matrices=False)
    return vectors[values > 1e-8].reshape(-1, *every.shape[1:])


@final
@dataclass(frozen=True)
class PairsOfKind:
    """All pairs of fields of two kinds: the first channels of each, on both sides.

    Args:
        kinds: how both transform.
        left: where the left fields begin.
        right: where the right fields begin; the same where fields are paired with themselves.

    Example:
        >>> from darboux.symmetry import SO2, irreducible
        >>> one, two = (irreducible(SO2(), k) for k in "12")
        >>> PairsOfKind((one, one), (0,), (0,)).basis(two).shape
        torch.Size([2, 2, 2, 2])
    """

    kinds: tuple[Representation, Representation]
    left: tuple[int, ...]
    right: tuple[int, ...]

    def basis(self, target: Representation) -> Tensor:
        """Return a basis of the equivariant maps of one pair, (count, n, n_l, n_r)."""
        if self.left == self.right:
            return square_basis(self.kinds[0], target)
        return product_basis(*self.kinds, target)


def places_of(feature: Feature) -> dict[Representation, list[int]]:
    """Return where the fields of each kind begin.

    Example:
        >>> from darboux.symmetry import SO2
        >>> list(places_of(Feature(SO2(), ["1", "0", "1"])).values())
        [[0, 3], [2]]
    """
    found: dict[Representation, list[int]] = {}
    start = 0
    for field in feature.fields:
        found.setdefault(field, []).append(start)
        start += field.size
    return found


def pairs_of(feature: Feature) -> tuple[PairsOfKind, ...]:
    """Return the pairs of every field with itself, and with its right neighbour.

    Example:
        >>> from darboux.symmetry import SO2
        >>> [len(pairs.left) for pairs in pairs_of(Feature(SO2(), ["1", "1", "1"]))]
        [3, 2]
    """
    selves = [PairsOfKind((k, k), tuple(at), tuple(at)) for k, at in places_of(feature).items()]
    starts = list(accumulate(feature.sizes, initial=0))
    found: dict[tuple[Representation, Representation], list[tuple[int, int]]] = {}
    for k, kinds in enumerate(pairwise(feature.fields)):
        found.setdefault(kinds, []).append((starts[k], starts[k + 1]))
    neighbours = [PairsOfKind(kinds, *zip(*at, strict=True)) for kinds, at in found.items()]
    return (*selves, *neighbours)


def squares(x: Tensor, pairs: PairsOfKind) -> Tensor:
    """Return the entries of x_f ⊗ x_f' of all pairs, (batch, pairs · n_l · n_r, *space).

    Example:
        >>> from darboux.symmetry import SO2
        >>> squares(torch.ones(4, 6, 5), pairs_of(Feature(SO2(), ["1", "1", "1"]))[0]).shape
        torch.Size([4, 12, 5])
    """
    sides = zip((pairs.left, pairs.right), pairs.kinds, strict=True)
    left, right = (
        torch.stack([x[:, s : s + kind.size] for s in starts], dim=1) for starts, kind in sides
    )
    return (left.unsqueeze(3) * right.unsqueeze(2)).flatten(1, 3)
