"""Put a whole stack into one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch

from darboux.bijections.rearrangement import Rearrangement
from darboux.gradients import Stack


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

    def __init__(self, shapes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.shapes = [tuple(shape) for shape in shapes]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        if not self.shapes or min(self.sizes) < 1:
            msg = f"Flatten: expected shapes with positive sizes; got {shapes}."
            raise ValueError(msg)

    def forward(self, stack: Stack) -> Stack:
        """Return one vector."""
        found = [tuple(entry.shape[1:]) for entry in stack]
        if found != self.shapes:
            msg = f"Flatten: expected a stack of shapes {self.shapes}; got {found}."
            raise ValueError(msg)
        return (torch.cat([entry.flatten(1) for entry in stack], dim=1),)

    def inverse(self, stack: Stack) -> Stack:
        """Return the entries of the vector."""
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
