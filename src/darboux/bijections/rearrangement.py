"""The abstract rearrangement of a chain's stack of tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from darboux.bijections.claims import bijective
from darboux.gradients import Stack
from darboux.structure import Claims


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
