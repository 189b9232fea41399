"""The identity."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.activations.activation import Activation
from darboux.structure import Averaged, Claim, Claims, Isometric, Kind, SlopesWithin


@final
class Identity(Activation):
    """The identity, for linear models: σ(x) = x, slope 1, γ(x) = x²/2.

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 2.1.

    Example:
        >>> import torch
        >>> Identity().antiderivative(torch.tensor([2.0]))
        tensor([2.])
    """

    odd = True

    def forward(self, x: Tensor) -> Tensor:
        """Return x itself."""
        return x

    def slopes(self) -> tuple[float, float]:
        """Return (1, 1)."""
        return (1.0, 1.0)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return x²/2."""
        return 0.5 * x.square()

    def claims(self) -> Claims:
        """Return `Averaged` with α = 0, and `Isometric`."""
        premises = (SlopesWithin(self, 1.0, 1.0),)
        return Claims(
            tuple(
                Claim(structure, Kind.CONSTRUCTION, "the identity", premises)
                for structure in (Averaged(0.0), Isometric())
            )
        )
