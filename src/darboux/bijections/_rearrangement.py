"""Rearrangements of a chain's stack of tensors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import nn

from darboux.bijections._bijection import bijective
from darboux.gradients import Stack
from darboux.structure import Claims
from darboux.structure._arguments import Count, checked, shown
from darboux.structure._module import check_features


class Rearrangement(nn.Module, ABC):
    """A layer of a `Chain` that moves entries between the tensors of its stack, and no more.

    The stack of a chain starts as the input alone; bijections act on its top. Rearrangements
    have no parameters, preserve volume and distances, and are undone exactly.

    Source: section 4.1.3.
    """

    @abstractmethod
    def forward(self, stack: Stack) -> Stack:
        """Return the stack afterwards, top first."""

    @abstractmethod
    def inverse(self, stack: Stack) -> Stack:
        """Return the stack before."""

    def claims(self) -> Claims:
        """Return that entries only change places."""
        return bijective("entries change places", volume=True, isometric=True)


@final
class Split(Rearrangement):
    """Keep the first channels of the top on top, and put the others under it.

    What is put aside takes no part in what follows, until `Concatenate` fetches it. So skip
    connections and multi-scale architectures are chains.

    Shapes: (batch, channels, *space) becomes (batch, keep, *space) above (batch, channels -
    keep, *space).

    Source: section 4.1.3; Dinh et al. 2017 for multi-scale architectures.

    Args:
        keep: how many channels stay on top.

    Raises:
        ValueError: if none stays, or no channel is left to be put aside.

    Example:
        >>> [tuple(t.shape) for t in Split(1)((torch.ones(2, 3, 4),))]
        [(2, 1, 4), (2, 2, 4)]
    """

    @checked
    def __init__(self, keep: Count) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, stack: Stack) -> Stack:
        """Return the kept channels, the others, and the rest of the stack."""
        return _divided("Split", stack, self.keep)

    def inverse(self, stack: Stack) -> Stack:
        """Join the two uppermost entries."""
        return _joined("Split", stack, self.keep)

    def extra_repr(self) -> str:
        """Return how many channels are kept."""
        return f"keep={self.keep}"


@final
class Concatenate(Rearrangement):
    """Join the top, which has `keep` channels, with what lies under it: the inverse of `Split`.

    Shapes: (batch, keep, *space) above (batch, c, *space) becomes (batch, keep + c, *space).

    Source: section 4.1.3; Etmann et al. 2020 for skip connections of invertible U-Nets.

    Args:
        keep: the channels of the top.

    Raises:
        ValueError: if `keep` is not positive; when called, if the entries do not fit.

    Example:
        >>> import torch
        >>> [tuple(t.shape) for t in Concatenate(1)((torch.ones(2, 1), torch.ones(2, 2)))]
        [(2, 3)]
    """

    @checked
    def __init__(self, keep: Count) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, stack: Stack) -> Stack:
        """Join the two uppermost entries."""
        return _joined("Concatenate", stack, self.keep)

    def inverse(self, stack: Stack) -> Stack:
        """Return the two entries, and the rest of the stack."""
        return _divided("Concatenate", stack, self.keep)

    def extra_repr(self) -> str:
        """Return the channels of the top."""
        return f"keep={self.keep}"


@final
class Flatten(Rearrangement):
    """Put all tensors of the stack, top first, into one vector for each sample.

    Shapes: entries (batch, *shape_i) become one (batch, Σ Π shape_i).

    Source: section 4.2.3; what multi-scale flows hand to their base distribution.

    Args:
        shapes: (channels, *space) of the entries, top first.

    Raises:
        ValueError: if there are no shapes, or a stack has others.

    Example:
        >>> layer = Flatten([(1, 2, 2), (3,)])
        >>> (flat,) = layer((torch.ones(5, 1, 2, 2), torch.ones(5, 3)))
        >>> flat.shape, [tuple(t.shape) for t in layer.inverse((flat,))]
        (torch.Size([5, 7]), [(5, 1, 2, 2), (5, 3)])
    """

    @checked
    def __init__(self, shapes: Sequence[Sequence[Count]]) -> None:
        super().__init__()
        self.shapes = [tuple(shape) for shape in shapes]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        if not self.shapes:
            msg = f"Flatten: expected the shape of one entry at least; got {shapes}."
            raise ValueError(msg)

    def forward(self, stack: Stack) -> Stack:
        """Return one vector."""
        _check_stack("Flatten", stack)
        found = [tuple(entry.shape[1:]) for entry in stack]
        if found != self.shapes:
            msg = f"Flatten: expected a stack of shapes {self.shapes}; got {found}."
            raise ValueError(msg)
        return (torch.cat([entry.flatten(1) for entry in stack], dim=1),)

    def inverse(self, stack: Stack) -> Stack:
        """Return the entries of the vector."""
        _check_stack("Flatten", stack)
        total = sum(self.sizes)
        if len(stack) != 1 or tuple(stack[0].shape[1:]) != (total,):
            found = [tuple(entry.shape[1:]) for entry in stack]
            msg = f"Flatten: expected one vector of {total} entries; got shapes {found}."
            raise ValueError(msg)
        parts = stack[0].split(self.sizes, dim=1)
        return tuple(p.reshape(-1, *s) for p, s in zip(parts, self.shapes, strict=True))

    def extra_repr(self) -> str:
        """Return the shapes."""
        return f"shapes={self.shapes}"


def _divided(name: str, stack: Stack, keep: int) -> Stack:
    """Return the stack with the first channels of its top above the others."""
    _check_stack(name, stack)
    top, *rest = stack
    if top.shape[1] <= keep:
        msg = (
            f"{name}: expected more than {keep} channels, of which {keep} are kept; got "
            f"{top.shape[1]}. Keep fewer."
        )
        raise ValueError(msg)
    return (top[:, :keep], top[:, keep:], *rest)


def _joined(name: str, stack: Stack, keep: int) -> Stack:
    """Return the stack with its two uppermost entries concatenated."""
    _check_stack(name, stack)
    if len(stack) < 2:
        msg = f"{name}: expected a stack of two tensors at least; got {len(stack)}. Split first."
        raise ValueError(msg)
    top, under, *rest = stack
    if top.shape[1] != keep or top.shape[2:] != under.shape[2:]:
        msg = (
            f"{name}: expected {keep} channels above others of the same size; got shapes "
            f"{tuple(top.shape)} above {tuple(under.shape)}. Undo every change of size in between."
        )
        raise ValueError(msg)
    return (torch.cat([top, under], dim=1), *rest)


def _check_stack(name: str, stack: object) -> None:
    """Refuse what is no stack: a tensor alone would be taken for one of its samples."""
    if not isinstance(stack, tuple | list) or not stack:
        msg = (
            f"{name}: expected a stack, a tuple of tensors; got {shown(stack)}. Write (x,) for one."
        )
        raise TypeError(msg)
    for entry in stack:
        check_features(name, entry)
