"""Piecewise linear activations: the identity, ReLU and leaky ReLU."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from darboux.activations._activation import Activation
from darboux.structure import Averaged, Claim, Claims, Isometric, Kind, slopes_within
from darboux.structure._arguments import checked


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
        premises = (slopes_within(self, lower=1.0, upper=1.0),)
        return Claims(
            tuple(
                Claim(structure, Kind.CONSTRUCTION, "the identity", premises)
                for structure in (Averaged(0.0), Isometric())
            )
        )


@final
class ReLU(Activation):
    """The positive part.

    σ(x) = max(x, 0), slopes in [0, 1], γ(x) = max(x, 0)²/2.

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 2.1.

    Example:
        >>> import torch
        >>> ReLU()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    nonnegative = True

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, 0)."""
        return torch.relu(x)

    def slopes(self) -> tuple[float, float]:
        """Return (0, 1)."""
        return (0.0, 1.0)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return max(x, 0)²/2."""
        return 0.5 * torch.relu(x).square()


@final
class LeakyReLU(Activation):
    """Two slopes: 1 for positive and s for negative entries.

    σ(x) = x for x > 0, s x else; slopes in [min(s, 1), max(s, 1)]; γ(x) = x σ(x)/2.

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 2.1.

    Args:
        slope: s, any finite number.

    Raises:
        ValueError: if s is not finite.

    Example:
        >>> import torch
        >>> LeakyReLU(slope=0.5)(torch.tensor([-1.0, 2.0]))
        tensor([-0.5000,  2.0000])
    """

    @checked
    def __init__(self, *, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = float(slope)

    def forward(self, x: Tensor) -> Tensor:
        """Return x where x > 0, s x elsewhere."""
        return functional.leaky_relu(x, self.slope)

    def slopes(self) -> tuple[float, float]:
        """Return (min(s, 1), max(s, 1))."""
        return (min(self.slope, 1.0), max(self.slope, 1.0))

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return x σ(x)/2."""
        return 0.5 * x * self.forward(x)

    def extra_repr(self) -> str:
        """Return the options, for `repr`."""
        return f"slope={self.slope:g}"
