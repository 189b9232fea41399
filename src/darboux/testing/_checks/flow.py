"""Checks of flows."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.flow import Flow, Step, as_float
from darboux.structure._arguments import checked
from darboux.testing._checks._call import require


@checked
def check_trajectory(flow: Flow, z: Tensor) -> None:
    """Check that trajectory, chain and forward tell the same story.

    Args:
        flow: the flow.
        z: states, (batch, features, *space).

    Raises:
        AssertionError: if they differ.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> check_trajectory(dx.Flow(field, dx.integrators.Euler(), steps=2), torch.ones(1, 4))
    """
    states = flow.trajectory(z)
    torch.testing.assert_close(states[0], z, rtol=0, atol=0)
    torch.testing.assert_close(states[-1], flow(z), rtol=0, atol=0)
    # A flow computes the bounds of its steps in one batch, which rounds differently.
    rounding = 16 * torch.finfo(z.dtype).eps
    steps = [step for _, step in flow.maps() if step is not flow]  # none of two-step methods
    for k, step in enumerate(steps):
        size = max(1.0, as_float(states[k].abs().max()))
        torch.testing.assert_close(step(states[k]), states[k + 1], rtol=0, atol=rounding * size)


@checked
def check_descent(flow: Flow, z: Tensor) -> None:
    """Check that the energy of every step decreases along a trajectory.

    Args:
        flow: a flow whose fields have an energy, in float64.
        z: states, (batch, features, *space), float64.

    Raises:
        AssertionError: if an energy rises by more than rounding.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
        >>> check_descent(flow.double(), torch.ones(1, 4, dtype=torch.float64))
    """
    states = flow.trajectory(z)
    steps = [(name, step) for name, step in flow.maps() if isinstance(step, Step)]
    require(len(steps) > 0, f"{flow.integrator!r} steps pairs of states, which have no energy.")
    for k, (name, step) in enumerate(steps):
        before, after = step.energy(states[k]), step.energy(states[k + 1])
        rise = as_float((after - before).max())
        if not rise <= 1e-10 * (1 + as_float(before.abs().max())):  # NaN is no descent
            msg = f"the energy rises by {rise:.3e} in {name}"
            raise AssertionError(msg)
