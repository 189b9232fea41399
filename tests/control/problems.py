"""Small control problems in double precision."""

from __future__ import annotations

import torch

import darboux as dx
from darboux.control import ControlProblem, Regularizer
from darboux.flow import StepRule
from darboux.integrators import Integrator


def residual_flow(
    depth: int = 4, *, steps: StepRule | None = None, method: Integrator | None = None
) -> dx.Flow:
    """Return a flow of fields tanh(Az + b) on the plane."""
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()) for _ in range(depth)
    ]
    return dx.Flow(fields, method or dx.integrators.Euler(), steps=steps).double()


def regression(
    regularizer: Regularizer | None = None, *, flow: dx.Flow | None = None, samples: int = 12
) -> ControlProblem:
    """Return the problem to bend a line: (x, y) -> (x, sin x)."""
    z = torch.randn(samples, 2, dtype=torch.float64)
    goal = torch.stack([z[:, 0], z[:, 0].sin()], dim=1)
    return ControlProblem(
        flow or residual_flow(), z, lambda y: (y - goal).square().mean(), regularizer
    )
