"""Training steps of convolutional flows with each way to a gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch

import darboux as dx
from darboux.gradients import Checkpoint

CHANNELS, SIDE, BATCH = 32, 32, 4

METHODS = {
    "euler": dx.integrators.Euler(),
    "heun": dx.integrators.ImprovedEuler(),
    "kutta4": dx.integrators.Kutta4(),
    "verlet": dx.integrators.StormerVerlet(),
}


def field(method: str, channels: int = CHANNELS) -> dx.fields.VectorField:
    """Return tanh(K z + b), or a Hamiltonian field of two convolutions on halves of channels."""
    if method != "verlet":
        conv = dx.linear.Conv(channels, channels, kernel_size=3, dim=2)
        return dx.fields.ResidualField(conv, dx.activations.Tanh())
    maps = [dx.linear.Conv(channels // 2, channels, kernel_size=3, dim=2) for _ in range(2)]
    return dx.fields.HamiltonianField(*maps, dx.activations.Tanh())


def step(way: str, method: str, steps: int) -> tuple[Callable[[], None], dx.Flow]:
    """Return a training step of a flow without its update, and the flow."""
    torch.manual_seed(0)
    gradient = Checkpoint(int(way)) if way.isdigit() else way
    # one field: gradients of the parameters do not grow with the depth
    flow = dx.Flow(field(method), METHODS[method], steps=steps, gradient=gradient)
    z = torch.randn(BATCH, CHANNELS, SIDE, SIDE)

    def run() -> None:
        flow.zero_grad()
        flow(z).square().mean().backward()

    return run, flow
