"""Kernels between irreducible representations: exact on the grid, or sampled functions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Group
from darboux.symmetry._kernels.angular import (
    commuting_maps,
    harmonics_at,
    is_planar,
    planar_angular,
    solved_angular,
)
from darboux.symmetry._kernels.rings import Rings, tap_permutations, taps

_DEPENDENT = 1e-3  # of the largest singular value; independent functions are at 1e-1


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
    eye = torch.eye(count, dtype=torch.float64, device="cpu")
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
    firsts = (moved.amin(dim=0) == torch.arange(moved.shape[1], device="cpu")).nonzero().flatten()
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


def steerable_kernels(
    group: Group,
    source: str,
    target: str,
    *,
    kernel_size: int,
    dim: int,
    rings: Rings | None = None,
) -> Tensor:
    """Return an orthonormal basis of sampled steerable kernels, (count, d₂, d₁, kernel^dim)."""
    # k(t) = Σ radial profile × angular part, k(g t) = ψ₂(g) k(t) ψ₁(g)ᵀ for all t of the plane or
    # space and all g. Of functions that depend on each other on the grid, as many are left out.
    # The basis is the orthonormal one that is nearest to the functions.
    rings = Rings.default(kernel_size) if rings is None else rings
    solve = planar_angular if is_planar(group) else solved_angular
    parts = []
    for frequency, functions in enumerate(_functions(rings, kernel_size, dim)):
        angular = solve(group, source, target, frequency=frequency)
        parts.append(torch.einsum("cabj,rjt->rcabt", angular, functions).flatten(0, 1))
    return orthonormal(torch.cat(parts))


@lru_cache(maxsize=64)
def _functions(rings: Rings, kernel_size: int, dim: int) -> tuple[Tensor, ...]:
    """Return profiles times harmonics for each frequency, (rings, harmonics, taps)."""
    places = taps(kernel_size, dim)
    distances = places.norm(dim=1)
    # the centre carries frequency 0 only, which is the same in every direction
    places = torch.where(distances[:, None] > 0, places, torch.ones_like(places))
    return tuple(
        rings.profiles(frequency, distances)[:, None] * harmonics_at(places, frequency)
        for frequency in range(rings.largest + 1)
    )


def orthonormal(functions: Tensor) -> Tensor:
    """Return the orthonormal basis nearest to independent functions, (count, *shape)."""
    # Of F = U S Vᵀ, functions of equal size in its rows, that is U Vᵀ = (F Fᵀ)^(-1/2) F; where
    # singular values vanish, the other rows of Vᵀ.
    rows = functions.flatten(1)
    sizes = rows.norm(dim=1, keepdim=True)
    seen = sizes[:, 0] > _DEPENDENT
    rows = rows[seen] / sizes[seen]
    if not len(rows):
        return functions[:0]
    squares, left = torch.linalg.eigh(rows @ rows.T)
    kept = squares > _DEPENDENT**2 * squares[-1]
    basis = (left[:, kept] / squares[kept].sqrt()).T @ rows
    if bool(kept.all()):
        basis = left @ basis
    # one step of Newton and Schulz takes what squaring F has cost
    basis = 1.5 * basis - 0.5 * (basis @ basis.T) @ basis
    return basis.reshape(-1, *functions.shape[1:])
