"""The same flow in four libraries' words: f(z) = tanh(W z + b), K equal steps, one loss."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import torch
import torchdiffeq
from torch import Tensor, nn

import darboux as dx

STEPS = 20
THIRD, EIGHTH = Fraction(1, 3), Fraction(1, 8)

TABLEAUS = {
    "euler": dx.integrators.EULER,
    "midpoint": dx.integrators.Tableau(
        ((0, 0), (Fraction(1, 2), 0)), (0, 1), (0, Fraction(1, 2)), "midpoint"
    ),
    # the method that torchdiffeq calls rk4
    "rk4": dx.integrators.Tableau(
        ((0, 0, 0, 0), (THIRD, 0, 0, 0), (-THIRD, 1, 0, 0), (1, -1, 1, 0)),
        (EIGHTH, 3 * EIGHTH, 3 * EIGHTH, EIGHTH),
        (0, THIRD, 2 * THIRD, 1),
        "three eighths",
    ),
}


def darboux_flow(method: str, width: int, steps: int = STEPS) -> dx.Flow:
    """Our flow."""
    field = dx.fields.ResidualField(dx.linear.Dense(width, width), dx.activations.Tanh())
    return dx.Flow(field, dx.integrators.RungeKutta(TABLEAUS[method]), steps=steps)


class Residual(nn.Module):
    """The field as torchdiffeq takes it."""

    def __init__(self, flow: dx.Flow) -> None:
        super().__init__()
        field = flow.fields[0]
        self.linear = nn.Linear(*field.map.weight.shape)
        with torch.no_grad():
            self.linear.weight.copy_(field.map.weight)
            self.linear.bias.copy_(field.bias)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return torch.tanh(self.linear(z))


class TorchdiffeqFlow(nn.Module):
    """The flow by torchdiffeq."""

    def __init__(self, method: str, flow: dx.Flow) -> None:
        super().__init__()
        self.field, self.method = Residual(flow), method

    def forward(self, z: Tensor) -> Tensor:
        times, options = torch.tensor([0.0, 1.0]), {"step_size": 1 / STEPS}
        return torchdiffeq.odeint(self.field, z, times, method=self.method, options=options)[-1]


def diffrax_step(method: str, flow: dx.Flow, x: Tensor, adjoint: object) -> Callable[[], tuple]:
    """Return one jitted evaluation of loss and gradients by diffrax."""
    field = flow.fields[0]
    arrays = [jnp.asarray(p.detach().numpy()) for p in (field.map.weight, field.bias)]
    start, steps = jnp.asarray(x.numpy()), len(flow.steps())
    term = diffrax.ODETerm(lambda t, z, args: jnp.tanh(z @ args[0].T + args[1]))

    def loss(parameters):
        solution = diffrax.diffeqsolve(
            term,
            _solver(method),
            0.0,
            1.0,
            1 / steps,
            start,
            parameters,
            stepsize_controller=diffrax.ConstantStepSize(),
            max_steps=steps,
            adjoint=adjoint,
        )
        return jnp.mean(solution.ys**2)

    step = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(step(arrays))


def _solver(method: str) -> object:
    if method == "euler":
        return diffrax.Euler()
    if method == "midpoint":
        return diffrax.Midpoint()
    return ThreeEighths()


class ThreeEighths(diffrax.AbstractERK):
    """The method of order 4 that is called rk4 above, which diffrax does not have."""

    tableau = diffrax.ButcherTableau(
        a_lower=tuple(
            np.array([float(x) for x in row[:i]])
            for i, row in enumerate(TABLEAUS["rk4"].a[1:], start=1)
        ),
        b_sol=np.array([float(x) for x in TABLEAUS["rk4"].b]),
        b_error=np.zeros(4),
        c=np.array([float(x) for x in TABLEAUS["rk4"].c[1:]]),
    )
    interpolation_cls = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms):
        return 4
