"""Bases of the equivariant kernels between two representations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated

import torch
from torch import Tensor

from darboux.linear._sizes import Taps, affordable
from darboux.structure._arguments import Within, checked
from darboux.symmetry._groups.group import Group
from darboux.symmetry._kernels.irreducible import grid_kernels, keeps_grid, steerable_kernels
from darboux.symmetry._representations.representation import Representation

SpaceDim = Annotated[int, Within("0, 1, 2 or 3 spatial axes", least=0, most=3)]

_MOST_TAPS = 2048  # the cost of their orthonormal functions grows with the cube


def check_request(
    name: str, source: Representation, target: Representation, *, kernel_size: int, dim: int
) -> None:
    """Refuse a request for kernels that cannot be."""
    if source.group != target.group:
        msg = (
            f"{name}: expected representations of one group; got {source.group.describe()} and "
            f"{target.group.describe()}. Restrict one of them to the other group first."
        )
        raise TypeError(msg)
    if kernel_size**dim > _MOST_TAPS:
        msg = (
            f"{name}: expected at most {_MOST_TAPS} taps in all, since the cost grows with their "
            f"cube; got {kernel_size}^{dim} = {kernel_size**dim}. Use a smaller kernel_size."
        )
        raise ValueError(msg)
    _check_dim(name, source, kernel_size=kernel_size, dim=dim)


def _check_dim(name: str, source: Representation, *, kernel_size: int, dim: int) -> None:
    if not dim and kernel_size != 1:
        msg = f"{name}: expected kernel_size=1 where there are no spatial axes; got {kernel_size}."
        raise ValueError(msg)
    group = source.group
    if dim and group.dim not in (0, dim):
        msg = (
            f"{name}: expected dim={group.dim}, the axes that {group.describe()} acts on; got "
            f"dim={dim}. Use dim={group.dim}, or a group of {dim}-dimensional space."
        )
        raise ValueError(msg)


@checked
def kernel_basis(
    source: Representation, target: Representation, *, kernel_size: Taps, dim: SpaceDim
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
        kernel_size: taps per axis.
        dim: spatial axes; 0, with kernel_size 1, for features without any.

    Raises:
        TypeError: if source or target is no representation, or the groups differ.
        ValueError: if the group does not act on `dim` axes, or there are so many taps or
            kernels that they take long or do not fit.

    Example:
        >>> from darboux.symmetry import Cyclic, regular
        >>> ρ = regular(Cyclic(8))
        >>> kernel_basis(ρ, ρ, kernel_size=3, dim=2).shape
        torch.Size([48, 8, 8, 3, 3])
    """
    check_request("kernel_basis", source, target, kernel_size=kernel_size, dim=dim)
    return _basis(source, target, kernel_size, dim)


@lru_cache(maxsize=32)  # tens of megabytes each, for large groups
def _basis(source: Representation, target: Representation, kernel_size: int, dim: int) -> Tensor:
    # what is kept must serve autograd, wherever it was asked for first
    with torch.inference_mode(mode=False), torch.no_grad():
        flat = _assembled(source, target, kernel_size, dim)
        return flat.reshape(len(flat), target.size, source.size, *[kernel_size] * dim)


def _assembled(source: Representation, target: Representation, kernel: int, dim: int) -> Tensor:
    """Return the basis with all taps on one axis."""
    blocks = [
        (rows, columns, _irreducible(source.group, first, second, kernel, dim))
        for second, rows in _parts(target)
        for first, columns in _parts(source)
    ]
    counts = [len(rows) * len(columns) * len(part) for rows, columns, part in blocks]
    entries = sum(counts) * target.size * source.size * kernel**dim
    affordable("kernel_basis", "a basis", entries, "Use smaller representations or kernels.")
    basis = torch.empty(
        sum(counts), target.size, source.size, kernel**dim, dtype=torch.float64, device="cpu"
    )
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
    for name in dict.fromkeys(representation.content):
        yield name, torch.stack([part for of, part in representation.parts() if of == name])


@lru_cache(maxsize=4096)
def _irreducible(group: Group, source: str, target: str, kernel_size: int, dim: int) -> Tensor:
    solve = (
        grid_kernels if keeps_grid(group, kernel_size=kernel_size, dim=dim) else steerable_kernels
    )
    return solve(group, source, target, kernel_size=kernel_size, dim=dim)
