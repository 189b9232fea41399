"""The constraint that all entries of a weight are nonnegative."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class Nonnegative(nn.Module):
    """Parametrise a weight by its absolute value, W -> |W|, entry by entry.

    Source: section 2.1.1 (Zhang and Schaeffer's case A2 >= 0).

    Example:
        >>> import darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> dense = dx.linear.Dense(3, 3)
        >>> _ = parametrize.register_parametrization(dense, "weight", Nonnegative())
        >>> bool((dense.weight >= 0).all())
        True
    """

    def forward(self, weight: Tensor) -> Tensor:
        """Return |W|."""
        return weight.abs()

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return a W' with |W'| = |W|."""
        return weight
