"""The abstract activation σ: its slopes and its antiderivative."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from darboux.activations.slope_claims import slope_claims
from darboux.structure import Claims


class Activation(nn.Module, ABC):
    """An activation σ: R -> R applied to every entry, with what theorems need of it.

    The slope range is [inf σ', sup σ'] over all difference quotients; γ is an
    antiderivative, γ' = σ. An activation that is no function of one real variable
    (for instance `GroupSort`) sets ``separable`` to False and has no antiderivative.

    Sharing one instance between fields shares its parameters: the thresholds of one
    `Clip` used twice are one set of thresholds.

    Source: section 2.1.
    """

    separable: bool = True
    nonnegative: bool = False  # σ >= 0 everywhere
    odd: bool = False  # σ(-x) = -σ(x)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return σ(x), of the same shape as x, (batch, channels, *space)."""

    @abstractmethod
    def slopes(self) -> tuple[float, float]:
        """Return (lower, upper) with lower <= (σ(x)-σ(y))/(x-y) <= upper for all x != y."""

    @abstractmethod
    def antiderivative(self, x: Tensor) -> Tensor:
        """Return γ(x) with γ' = σ, entry by entry.

        Raises:
            TypeError: if σ is no function of one real variable.
        """

    def claims(self) -> Claims:
        """Return what the slope range proves: `Averaged` and `Lipschitz`."""
        return slope_claims(self, *self.slopes())
