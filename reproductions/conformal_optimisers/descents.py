"""Descents by several optimisers: those of Figure 4, and those with tuned settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import darboux as dx
from reproductions.conformal_optimisers.functions import Function

Build = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

GD, BALL, NESTEROV, RELATIVISTIC, ADAM = (
    "gradient descent",
    "heavy ball",
    "Nesterov",
    "relativistic",
    "Adam",
)
# Figure 4: (57) with T = √(‖p‖² + ε), steps of length h, and μ = e^(-γh); ε is not told there.
SHORT, DRAG, REST = 1e-4, 0.9259, 1e-10

FIGURE: dict[str, Build] = {
    GD: lambda p: torch.optim.SGD(p, 0.01),
    BALL: lambda p: dx.optim.HeavyBall(p, 0.01, 0.9),
    NESTEROV: lambda p: dx.optim.Nesterov(p, 0.01, 0.012),
    RELATIVISTIC: lambda p: dx.optim.ConformalHamiltonian(
        *(p, SHORT, -math.log(DRAG) / SHORT),
        dx.optim.RelativisticKinetic(mass=math.sqrt(REST), speed=1.0),
        order=1,
    ),
    ADAM: lambda p: torch.optim.Adam(p, 0.1),
}


@dataclass(frozen=True)
class Descent:
    """What became of a start."""

    values: Tensor  # before each step, and at the end
    path: Tensor  # positions of the first tensor, (steps + 1, n)
    reached: int | None  # the step from which on values stay below the goal

    def first(self, goal: float) -> int | None:
        """Return the first step with a value below the goal."""
        found = (self.values <= goal).nonzero()
        return int(found[0]) if len(found) else None


def descend(function: Function, build: Build) -> Descent:
    """Step a function's tensors in turn."""
    point = [nn.Parameter(x.clone()) for x in function.start]
    optimizers = [build([p]) for p in point]
    values, path = [], []
    reached: int | None = None
    for step in range(function.steps + 1):
        here = [p.detach() for p in point]
        values.append(float(function.value(here)))
        path.append(here[0].flatten().clone())
        if not values[-1] <= function.goal:
            reached = None
        elif reached is None:
            reached = step
        if step == function.steps or not values[-1] < 1e100:
            break
        for k, optimizer in enumerate(optimizers):
            point[k].grad = function.slope(here, k)
            optimizer.step()
    return Descent(torch.tensor(values, dtype=torch.float64), torch.stack(path), reached)
