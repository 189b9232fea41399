"""The convex combination of several maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from darboux.structure import Claims, average, claims_of


@final
class Average(nn.Module):
    """The map x -> Σ w_i φ_i(x) with weights w_i >= 0, Σ w_i = 1.

    Averages of nonexpansive maps are nonexpansive; averages of α_i-averaged maps are
    (Σ w_i α_i)-averaged.

    Shapes: all φ_i map (batch, features, *space) to the same shape.

    Source: section 2.2.1; Combettes and Yamada 2015.

    Args:
        parts: the maps φ_i, at least one.
        weights: w_i; equal weights unless given.

    Raises:
        ValueError: if there is no map, or the weights are no convex combination.

    Example:
        >>> import torch, darboux as dx
        >>> both = dx.Average([torch.nn.ReLU(), torch.nn.Identity()])
        >>> both(torch.tensor([[-2.0, 2.0]]))
        tensor([[-1.,  2.]])
    """

    def __init__(
        self, parts: Sequence[nn.Module], *, weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        if not parts:
            msg = "Average: expected at least one map; got none."
            raise ValueError(msg)
        self.parts = nn.ModuleList(parts)
        self.weights = _convex(len(parts), weights)

    def forward(self, x: Tensor) -> Tensor:
        """Return Σ w_i φ_i(x)."""
        first, *rest = zip(self.weights, self.parts, strict=True)
        total = first[0] * first[1](x)
        for weight, part in rest:
            total = total + weight * part(x)
        return total

    def claims(self) -> Claims:
        """Return the means of the constants."""
        named = [(f"parts.{i}", claims_of(part)) for i, part in enumerate(self.parts)]
        return average(named, weights=self.weights)


def _convex(count: int, weights: Sequence[float] | None) -> tuple[float, ...]:
    if weights is None:
        return (1.0 / count,) * count
    values = tuple(float(weight) for weight in weights)
    if len(values) != count or min(values) < 0 or abs(sum(values) - 1) > 1e-12 * count:
        msg = (
            f"Average: expected {count} weights >= 0 that sum to 1; got {values}. "
            "Divide them by their sum."
        )
        raise ValueError(msg)
    return values
