"""Put channels of the features aside."""

from __future__ import annotations

from typing import final

import torch

from darboux.bijections.rearrangement import Rearrangement
from darboux.gradients import Stack


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

    def __init__(self, keep: int) -> None:
        super().__init__()
        self.keep = positive_channels("Split", keep)

    def forward(self, stack: Stack) -> Stack:
        """Return the kept channels, the others, and the rest of the stack."""
        top, *rest = stack
        if top.shape[1] <= self.keep:
            msg = (
                f"Split: expected more than {self.keep} channels, of which {self.keep} are kept; "
                f"got {top.shape[1]}. Keep fewer."
            )
            raise ValueError(msg)
        return (top[:, : self.keep], top[:, self.keep :], *rest)

    def inverse(self, stack: Stack) -> Stack:
        """Join the two uppermost entries."""
        return joined("Split", stack, self.keep)

    def extra_repr(self) -> str:
        """Return how many channels are kept."""
        return f"keep={self.keep}"


def joined(name: str, stack: Stack, keep: int) -> Stack:
    """Return the stack with its two uppermost entries concatenated.

    Args:
        name: of the layer, for messages.
        stack: with at least two entries.
        keep: how many channels the top has.

    Raises:
        ValueError: if the entries do not fit together.

    Example:
        >>> joined("example", (torch.ones(1, 1), torch.ones(1, 2)), 1)
        (tensor([[1., 1., 1.]]),)
    """
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


def positive_channels(name: str, keep: int) -> int:
    """Return a number of channels that stay.

    Raises:
        ValueError: unless it is positive.

    Example:
        >>> positive_channels("example", 2)
        2
    """
    if keep < 1:
        msg = f"{name}: expected keep >= 1 channels; got {keep}."
        raise ValueError(msg)
    return keep
