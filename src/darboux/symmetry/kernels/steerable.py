"""Band-limited kernels of the continuous plane or space, sampled on the grid."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.symmetry.groups import Group
from darboux.symmetry.kernels.angular import solved_angular
from darboux.symmetry.kernels.planar import is_planar, planar_angular
from darboux.symmetry.kernels.rings import Rings
from darboux.symmetry.kernels.taps import taps

_DEPENDENT = 1e-6  # of the largest singular value


def steerable_kernels(
    group: Group, source: str, target: str, *, kernel: int, dim: int, rings: Rings | None = None
) -> Tensor:
    """Return an orthonormal basis of sampled steerable kernels, (count, d₂, d₁, kernel^dim).

    k(t) = Σ radial profile × angular part, k(g t) = ψ₂(g) k(t) ψ₁(g)ᵀ for all t of the plane or
    space and all g. Of functions that depend on each other on the grid, as many are left out.
    The basis is the orthonormal one that is nearest to the functions.

    Args:
        group: the group.
        source: the name of ψ₁.
        target: the name of ψ₂.
        kernel: taps per axis.
        dim: spatial axes.
        rings: the radial profiles and the largest frequencies; by default `Rings.default`.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> steerable_kernels(Cyclic(8), "0", "0", kernel=3, dim=2).shape
        torch.Size([2, 1, 1, 9])
    """
    rings = Rings.default(kernel) if rings is None else rings
    places = taps(kernel, dim)
    distances = places.norm(dim=1)
    # the centre carries frequency 0 only, which is the same in every direction
    places = torch.where(distances[:, None] > 0, places, torch.ones_like(places))
    solve = planar_angular if is_planar(group) else solved_angular
    parts = []
    for frequency in range(rings.largest + 1):
        radial = rings.profiles(frequency, distances)
        angular = solve(group, source, target, frequency=frequency, points=places)
        parts.append(torch.einsum("rt,cabt->rcabt", radial, angular).flatten(0, 1))
    return orthonormal(torch.cat(parts))


def orthonormal(functions: Tensor) -> Tensor:
    """Return the orthonormal basis nearest to independent functions, (count, *shape).

    Of F = U S Vᵀ, functions of equal size in its rows, that is U Vᵀ; where singular values
    vanish, the other rows of Vᵀ.

    Example:
        >>> orthonormal(torch.tensor([[2.0, 0.0], [0.0, 3.0]], dtype=torch.float64)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    rows = functions.flatten(1)
    sizes = rows.norm(dim=1, keepdim=True)
    rows = rows[sizes[:, 0] > _DEPENDENT] / sizes[sizes[:, 0] > _DEPENDENT]
    if not len(rows):
        return functions[:0]
    left, values, right = torch.linalg.svd(rows, full_matrices=False)
    kept = values > _DEPENDENT * values[0]
    basis = left @ right if len(kept) == len(rows) and bool(kept.all()) else right[kept]
    return basis.reshape(-1, *functions.shape[1:])
