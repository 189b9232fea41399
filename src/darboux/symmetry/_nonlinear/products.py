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
    """Return an orthonormal basis of the equivariant maps from x ⊗ y, (count, n, n_l, n_r)."""
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
    """Return an orthonormal basis of the equivariant maps from x ⊗ x, (count, n, n_x, n_x)."""
    # Those that are antisymmetric in the two factors vanish on x ⊗ x, and are left out.
    every = product_basis(kind, kind, target)
    if not len(every):
        return every
    symmetric = 0.5 * (every + every.mT)
    _, values, vectors = torch.linalg.svd(symmetric.flatten(1), full_matrices=False)
    return vectors[values > 1e-8].reshape(-1, *every.shape[1:])


@final
@dataclass(frozen=True)
class PairsOfKind:
    """All pairs of fields of two kinds: the first channels of each, on both sides."""

    kinds: tuple[Representation, Representation]
    left: tuple[int, ...]
    right: tuple[int, ...]

    def basis(self, target: Representation) -> Tensor:
        """Return a basis of the equivariant maps of one pair, (count, n, n_l, n_r)."""
        if self.left == self.right:
            return square_basis(self.kinds[0], target)
        return product_basis(*self.kinds, target)


def places_of(feature: Feature) -> dict[Representation, list[int]]:
    """Return where the fields of each kind begin."""
    found: dict[Representation, list[int]] = {}
    start = 0
    for field in feature.fields:
        found.setdefault(field, []).append(start)
        start += field.size
    return found


def pairs_of(feature: Feature) -> tuple[PairsOfKind, ...]:
    """Return the pairs of every field with itself, and with its right neighbour."""
    selves = [PairsOfKind((k, k), tuple(at), tuple(at)) for k, at in places_of(feature).items()]
    starts = list(accumulate(feature.sizes, initial=0))
    found: dict[tuple[Representation, Representation], list[tuple[int, int]]] = {}
    for k, kinds in enumerate(pairwise(feature.fields)):
        found.setdefault(kinds, []).append((starts[k], starts[k + 1]))
    neighbours = [PairsOfKind(kinds, *zip(*at, strict=True)) for kinds, at in found.items()]
    return (*selves, *neighbours)


def squares(x: Tensor, pairs: PairsOfKind) -> Tensor:
    """Return the entries of x_f ⊗ x_f' of all pairs, (batch, pairs · n_l · n_r, *space)."""
    sides = zip((pairs.left, pairs.right), pairs.kinds, strict=True)
    left, right = (
        torch.stack([x[:, s : s + kind.size] for s in starts], dim=1) for starts, kind in sides
    )
    return (left.unsqueeze(3) * right.unsqueeze(2)).flatten(1, 3)
