"""Bases of equivariant kernels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry.groups import Group
from darboux.symmetry.kernels.grid import grid_kernels, keeps_grid
from darboux.symmetry.kernels.request import check_request
from darboux.symmetry.kernels.steerable import steerable_kernels
from darboux.symmetry.representations.representation import Representation


def kernel_basis(
    source: Representation, target: Representation, *, kernel: int, dim: int
) -> Tensor:
    """Return an orthonormal basis of equivariant kernels, k(g t) = ρ₂(g) k(t) ρ₁(g)⁻¹.

    Where every g maps the grid of taps to itself, these are all such kernels. For other groups
    they are kernels of the plane or space with that property for every g, band-limited as
    `Rings.default` says, on the taps; the equation then holds on the grid for those g that map
    it to itself.

    With ρ = Q (⊕ψ) Qᵀ, kernels are Q₂ (blocks of kernels between irreducible parts) Q₁ᵀ.

    Shapes: (count, n₂, n₁, *[kernel]*dim), float64; orthonormal over all axes but the first.
    The centre is the middle of the taps. The result is shared between calls: do not edit it.

    Source: section 5.1.2.

    Args:
        source: ρ₁.
        target: ρ₂, of the same group.
        kernel: taps per axis.
        dim: spatial axes; 0, with kernel 1, for features without any.

    Raises:
        TypeError: if source or target is no representation, or the groups differ.
        ValueError: if kernel < 1, or the group does not act on `dim` axes.

    Example:
        >>> from darboux.symmetry import Cyclic, regular
        >>> ρ = regular(Cyclic(8))
        >>> kernel_basis(ρ, ρ, kernel=3, dim=2).shape
        torch.Size([48, 8, 8, 3, 3])
    """
    check_request("kernel_basis", source, target, kernel=kernel, dim=dim)
    return _basis(source, target, kernel, dim)


@lru_cache(maxsize=32)  # tens of megabytes each, for large groups
def _basis(source: Representation, target: Representation, kernel: int, dim: int) -> Tensor:
    # what is kept must serve autograd, wherever it was asked for first
    with torch.inference_mode(mode=False), torch.no_grad():
        flat = _assembled(source, target, kernel, dim)
        return flat.reshape(len(flat), target.size, source.size, *[kernel] * dim)


def _assembled(source: Representation, target: Representation, kernel: int, dim: int) -> Tensor:
    """Return the basis with all taps on one axis."""
    blocks = [
        (rows, columns, _irreducible(source.group, first, second, kernel, dim))
        for second, rows in _parts(target)
        for first, columns in _parts(source)
    ]
    counts = [len(rows) * len(columns) * len(part) for rows, columns, part in blocks]
    basis = torch.empty(sum(counts), target.size, source.size, kernel**dim, dtype=torch.float64)
    for (rows, columns, part), place in zip(blocks, basis.split(counts), strict=True):
        if len(place):
            # (pairs, 1, n₂n₁, d₂d₁) times (1, count, d₂d₁, taps), written where it belongs
            change = torch.einsum("xpi,yqj->xypqij", rows, columns)
            change = change.flatten(4, 5).flatten(2, 3).flatten(0, 1)[:, None]
            out = place.view(len(change), len(part), change.shape[2], part.shape[3])
            torch.matmul(change, part.flatten(1, 2), out=out)
    return basis


def _parts(representation: Representation) -> Iterator[tuple[str, Tensor]]:
    """Yield each irreducible name and the columns of Q that belong to it, (times, size, d)."""
    sizes = [representation.group.size(name) for name in representation.content]
    columns = representation.basis.split(sizes, dim=1)
    for name in dict.fromkeys(representation.content):
        own = [part for part, of in zip(columns, representation.content, strict=True) if of == name]
        yield name, torch.stack(own)


@lru_cache(maxsize=4096)
def _irreducible(group: Group, source: str, target: str, kernel: int, dim: int) -> Tensor:
    solve = grid_kernels if keeps_grid(group, kernel=kernel, dim=dim) else steerable_kernels
    return solve(group, source, target, kernel=kernel, dim=dim)
