"""The swiss roll: two spirals of the plane, one class each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Labelled:
    """Points and their classes."""

    points: Tensor  # (batch, 2), float64
    classes: Tensor  # (batch,), 0.0 or 1.0

    def lifted(self, features: int) -> Tensor:
        """Return the points with zero channels appended, (batch, features)."""
        zeros = self.points.new_zeros(len(self.points), features - 2)
        return torch.cat([self.points, zeros], dim=1)


def swiss_roll(*, count: int = 513) -> tuple[Labelled, Labelled]:
    """Return points to train on and points to judge by, every other one of each spiral.

    The spirals r = s and r = s + 1/5, s in [0, 1], both turn twice, by φ = 4πs.

    Source: Haber and Ruthotto 2017.
    """
    s = torch.linspace(0, 1, count, dtype=torch.float64)
    direction = torch.stack([(4 * math.pi * s).cos(), (4 * math.pi * s).sin()], dim=1)
    spirals = [s[:, None] * direction, (s[:, None] + 0.2) * direction]
    return _every_other(spirals, 0), _every_other(spirals, 1)


def _every_other(spirals: list[Tensor], first: int) -> Labelled:
    parts = [spiral[first::2] for spiral in spirals]
    classes = [part.new_full((len(part),), float(k)) for k, part in enumerate(parts)]
    return Labelled(torch.cat(parts), torch.cat(classes))
