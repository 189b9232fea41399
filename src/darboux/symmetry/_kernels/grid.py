"""All equivariant kernels between irreducible representations, where the grid is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.symmetry._groups import FiniteGroup, Group
from darboux.symmetry._kernels.angular import commuting_maps
from darboux.symmetry._kernels.rings import tap_permutations


def moves_taps(group: Group, *, kernel_size: int, dim: int) -> bool:
    """Return whether an element may move a tap: not the only one, nor if none acts on points."""
    return bool(group.dim) and kernel_size**dim > 1


def keeps_grid(group: Group, *, kernel_size: int, dim: int) -> bool:
    """Return whether every element maps the taps to themselves."""
    return not moves_taps(group, kernel_size=kernel_size, dim=dim) or (
        isinstance(group, FiniteGroup) and len(group.grid_elements()) == group.order
    )


def grid_kernels(group: Group, source: str, target: str, *, kernel_size: int, dim: int) -> Tensor:
    """Return an orthonormal basis of all kernels ψ₁ -> ψ₂, (count, d₂, d₁, kernel^dim)."""
    # One tap t of each orbit is free within {M : ψ₂(h) M = M ψ₁(h) for h t = t}; the others
    # follow, k(g t) = ψ₂(g) k(t) ψ₁(g)ᵀ.
    if not moves_taps(group, kernel_size=kernel_size, dim=dim):
        return _one_by_one(group, source, target, count=kernel_size**dim)
    assert isinstance(group, FiniteGroup)
    left, right = group.irrep_table(target), group.irrep_table(source)
    orbits = _orbits(group, kernel_size, dim)
    return torch.cat([_spread(orbit, left, right, count=kernel_size**dim) for orbit in orbits])


def _one_by_one(group: Group, source: str, target: str, *, count: int) -> Tensor:
    """Return maps that commute with the group, at each tap."""
    first, second = (
        torch.stack([group.irrep(name, g) for g in group.generators()]) for name in (source, target)
    )
    eye = torch.eye(count, dtype=torch.float64)
    return torch.einsum("tu,cij->tciju", eye, commuting_maps(first, second)).flatten(0, 1)


@final
@dataclass(frozen=True)
class _Orbit:
    """Where a tap goes: the elements that leave it, and one element for each image."""

    stabiliser: list[int]
    images: list[int]
    movers: list[int]


@lru_cache(maxsize=256)
def _orbits(group: FiniteGroup, kernel_size: int, dim: int) -> tuple[_Orbit, ...]:
    moved = tap_permutations(group, group.elements(), kernel_size=kernel_size, dim=dim)
    firsts = (moved.amin(dim=0) == torch.arange(moved.shape[1])).nonzero().flatten()
    orbits = []
    for first in firsts.tolist():
        images = moved[:, first].tolist()
        reached = {image: g for g, image in reversed(list(enumerate(images)))}
        stabiliser = [g for g, image in enumerate(images) if image == first]
        orbits.append(_Orbit(stabiliser, list(reached), list(reached.values())))
    return tuple(orbits)


def _spread(orbit: _Orbit, left: Tensor, right: Tensor, *, count: int) -> Tensor:
    """Return the kernels that are free on one orbit, and zero on the others."""
    free = commuting_maps(right[orbit.stabiliser], left[orbit.stabiliser])
    kernels = free.new_zeros(*free.shape, count)
    there, back = left[orbit.movers], right[orbit.movers].mT
    kernels[..., orbit.images] = (there @ free[:, None] @ back).permute(0, 2, 3, 1)
    return kernels / len(orbit.images) ** 0.5
