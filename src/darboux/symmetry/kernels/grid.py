"""All equivariant kernels between irreducible representations, where the grid is kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.symmetry.groups import Element, FiniteGroup, Group
from darboux.symmetry.kernels.taps import tap_permutations
from darboux.symmetry.representations.intertwiners import intertwiners


def keeps_grid(group: Group, *, kernel: int, dim: int) -> bool:
    """Return whether every element maps the taps to themselves, so that nothing is cut off.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> [keeps_grid(Cyclic(n), kernel=3, dim=2) for n in (4, 8)]
        [True, False]
    """
    return not _moves(group, kernel=kernel, dim=dim) or (
        isinstance(group, FiniteGroup) and len(group.grid_elements()) == group.order
    )


def grid_kernels(group: Group, source: str, target: str, *, kernel: int, dim: int) -> Tensor:
    """Return an orthonormal basis of all kernels ψ₁ -> ψ₂, (count, d₂, d₁, kernel^dim).

    One tap t of each orbit is free within {M : ψ₂(h) M = M ψ₁(h) for h t = t}; the others
    follow, k(g t) = ψ₂(g) k(t) ψ₁(g)ᵀ.

    Args:
        group: one whose elements map the taps to themselves.
        source: the name of ψ₁.
        target: the name of ψ₂.
        kernel: taps per axis.
        dim: spatial axes.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> grid_kernels(Cyclic(4), "0", "0", kernel=3, dim=2).shape
        torch.Size([3, 1, 1, 9])
    """
    if not _moves(group, kernel=kernel, dim=dim):
        return _one_by_one(group, source, target, count=kernel**dim)
    assert isinstance(group, FiniteGroup)
    moved = tap_permutations(group, group.elements(), kernel=kernel, dim=dim)
    firsts = (moved.amin(dim=0) == torch.arange(moved.shape[1])).nonzero().flatten()
    return torch.cat([_orbit(group, source, target, moved, int(tap)) for tap in firsts])


def _moves(group: Group, *, kernel: int, dim: int) -> bool:
    return bool(group.dim) and kernel**dim > 1


def _one_by_one(group: Group, source: str, target: str, *, count: int) -> Tensor:
    """Return intertwiners at each tap."""
    maps = _commuting(group, source, target, group.generators())
    eye = torch.eye(count, dtype=torch.float64)
    return torch.einsum("tu,cij->tciju", eye, maps).flatten(0, 1)


def _orbit(group: FiniteGroup, source: str, target: str, moved: Tensor, tap: int) -> Tensor:
    """Return the kernels on the orbit of one tap."""
    images = moved[:, tap].tolist()
    stabiliser = tuple(g for g, image in enumerate(images) if image == tap)
    free = _commuting(group, source, target, stabiliser)
    reached = {image: g for g, image in reversed(list(enumerate(images)))}
    chosen = torch.tensor(list(reached.values()))
    left, right = (group.irrep_table(name)[chosen] for name in (target, source))
    kernels = free.new_zeros(*free.shape, moved.shape[1])
    kernels[..., list(reached)] = torch.einsum("gij,cjk,glk->cilg", left, free, right)
    return kernels / len(reached) ** 0.5


def _commuting(group: Group, source: str, target: str, elements: Sequence[Element]) -> Tensor:
    """Return the maps that commute with some elements, orthonormal."""
    first, second = ([group.irrep(name, g) for g in elements] for name in (source, target))
    return intertwiners(first, second)
