"""Fetch channels that were put aside."""

from __future__ import annotations

from typing import final

from darboux.bijections.rearrangement import Rearrangement
from darboux.bijections.split import joined, positive_channels
from darboux.gradients import Stack


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

    def __init__(self, keep: int) -> None:
        super().__init__()
        self.keep = positive_channels("Concatenate", keep)

    def forward(self, stack: Stack) -> Stack:
        """Join the two uppermost entries."""
        return joined("Concatenate", stack, self.keep)

    def inverse(self, stack: Stack) -> Stack:
        """Return the two entries, and the rest of the stack."""
        top, *rest = stack
        if top.shape[1] <= self.keep:
            msg = f"Concatenate: expected more than {self.keep} channels; got {top.shape[1]}."
            raise ValueError(msg)
        return (top[:, : self.keep], top[:, self.keep :], *rest)

    def extra_repr(self) -> str:
        """Return the channels of the top."""
        return f"keep={self.keep}"
