"""Networks that are learned for one operator, and promise nothing."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.linear import LinearMap


@final
class Unrolled(nn.Module):
    """Gradient steps of the data term, each followed by a residual network of its own.

    x ← x - τ_k A*(A x - y) / ‖A‖², x ← x + Φ_k(x), from x = A*y / ‖A‖².

    Shapes: data y of the operator to images (batch, 1, height, width).

    Source: Adler and Öktem 2017; Monga, Li and Eldar 2021.
    """

    def __init__(self, physics: LinearMap, *, steps: int, width: int) -> None:
        super().__init__()
        self.physics = physics
        self.scale = float(physics.norm_bound()) ** 2
        self.step = nn.Parameter(torch.ones(steps))
        self.networks = nn.ModuleList(_small(width) for _ in range(steps))

    def forward(self, y: Tensor) -> Tensor:
        """Return an image."""
        x: Tensor = self.physics.adjoint(y) / self.scale
        for step, network in zip(self.step, self.networks, strict=True):
            x = x - step / self.scale * self.physics.adjoint(self.physics(x) - y)
            x = x + network(x)
        return x


@final
class Neumann(nn.Module):
    """The first terms of a Neumann series with a learned part: Σ_k (I - η A*A / ‖A‖² - Φ)^k A*y.

    Shapes: data y of the operator to images (batch, 1, height, width).

    Source: Gilton, Ongie and Willett 2020.
    """

    def __init__(self, physics: LinearMap, *, steps: int, width: int) -> None:
        super().__init__()
        self.physics, self.steps = physics, steps
        self.scale = float(physics.norm_bound()) ** 2
        self.step = nn.Parameter(torch.ones(()))
        self.network = _small(width)

    def forward(self, y: Tensor) -> Tensor:
        """Return an image."""
        step = self.step / self.scale
        term = total = step * self.physics.adjoint(y)
        for _ in range(self.steps):
            term = term - step * self.physics.adjoint(self.physics(term)) - self.network(term)
            total = total + term
        return total


def _small(width: int) -> nn.Sequential:
    last = nn.Conv2d(width, 1, 3, padding=1)
    with torch.no_grad():  # so that it begins near zero
        last.weight.mul_(0.1)
    first, second = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
