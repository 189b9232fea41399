"""Quasi-Newton directions of a batch, from the last steps and what they did to the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.imaging._energy import dots, spread

_MEMORY = 8  # steps

_BENT = 1e-8  # cosine between a step and the change of the gradient, from which on it counts


class Directions:
    """The inverse Hessian as L-BFGS knows it, for each sample on its own.

    Source: Nocedal and Wright 2006, algorithm 7.4.
    """

    def __init__(self, size: Tensor) -> None:
        self._pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        self._size = size  # (batch,): of the inverse curvature, before anything is known

    def __len__(self) -> int:
        """Return how many steps are known."""
        return len(self._pairs)

    def along(self, g: Tensor) -> Tensor:
        """Return -H g."""
        d, weights = -g, []
        for s, y, inverse in reversed(self._pairs):
            weights.append(dots(s, d) * inverse)
            d = d - spread(weights[-1], g) * y
        d = spread(self._size, g) * d
        for (s, y, inverse), weight in zip(self._pairs, reversed(weights), strict=True):
            d = d + spread(weight - dots(y, d) * inverse, g) * s
        return d

    def learn(self, s: Tensor, y: Tensor) -> None:
        """Take note of a step s that changed the gradient by y, where that bends upward."""
        bend, turn = dots(s, y), dots(y, y)
        bends = bend > _BENT * (dots(s, s) * turn).sqrt()
        self._size = torch.where(bends, bend / turn, self._size)
        self._pairs.append((s, y, torch.where(bends, 1 / bend, 0.0)))
        del self._pairs[:-_MEMORY]

    def forget(self, mask: Tensor) -> None:
        """Drop the steps of some samples."""
        self._pairs = [(s, y, torch.where(mask, 0.0, inverse)) for s, y, inverse in self._pairs]
