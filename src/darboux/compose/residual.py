"""The residual sum of a map and the identity."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.structure import Claims, claims_of, residual


@final
class Residual(nn.Module):
    """The map x -> x + s φ(x), Lipschitz with 1 + |s| c.

    Shapes: x is (batch, features, *space), kept by φ.

    Source: section 1.2, equation (5).

    Args:
        inner: φ.
        scale: s.

    Example:
        >>> import torch, darboux as dx
        >>> block = dx.Residual(torch.nn.Tanh(), scale=0.5)
        >>> dx.structure.claims_of(block).claims[0].structure
        Lipschitz(constant=1.5)
    """

    def __init__(self, inner: nn.Module, *, scale: float = 1.0) -> None:
        super().__init__()
        self.inner = inner
        self.scale = float(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + s φ(x)."""
        return x + self.scale * self.inner(x)

    def claims(self) -> Claims:
        """Return what the triangle inequality gives."""
        return residual(claims_of(self.inner), scale=self.scale)
