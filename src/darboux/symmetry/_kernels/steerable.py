"""Band-limited kernels of the continuous plane or space, sampled on the grid."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry._groups import Group
from darboux.symmetry._kernels.angular import solved_angular
from darboux.symmetry._kernels.harmonics import harmonics_at
from darboux.symmetry._kernels.planar import is_planar, planar_angular
from darboux.symmetry._kernels.rings import Rings, taps

_DEPENDENT = 1e-3  # of the largest singular value; independent functions are at 1e-1


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
