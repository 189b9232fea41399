"""The taps of a kernel, and how a group permutes them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.symmetry.groups import Element, Group


def taps(kernel: int, dim: int) -> Tensor:
    """Return the places of the taps about the centre of the kernel, (kernel^dim, dim), float64.

    Their order is that of a kernel's flattened axes. Dimension 0 has one tap.

    Example:
        >>> taps(2, 1).tolist()
        [[-0.5], [0.5]]
    """
    axis = [i - (kernel - 1) / 2 for i in range(kernel)]
    places = list(itertools.product(axis, repeat=dim))
    return torch.tensor(places, dtype=torch.float64).reshape(kernel**dim, dim)


def tap_permutations(group: Group, elements: Sequence[Element], *, kernel: int, dim: int) -> Tensor:
    """Return where elements that map the grid to itself move taps: (elements, kernel^dim).

    Entry (g, t) is the number of the tap g t. A group that acts on no points moves none.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> tap_permutations(Cyclic(4), [1], kernel=2, dim=2).tolist()
        [[2, 0, 3, 1]]
    """
    places = taps(kernel, dim)
    if not group.dim or not dim:
        return torch.arange(len(places)).expand(len(elements), -1)
    actions = torch.stack([group.action(g) for g in elements])
    moved = torch.einsum("gij,tj->gti", actions, places) + (kernel - 1) / 2
    strides = torch.tensor([kernel**k for k in reversed(range(dim))])
    return (moved.round().to(torch.int64) * strides).sum(dim=2)
