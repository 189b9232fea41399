"""The ResNet of Example 3.2.1, its descents, and its minimisers with a regulariser."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

import darboux as dx
from darboux.activations import Activation, Tanh
from darboux.control import L2, ControlProblem, GaussNewton
from darboux.integrators import Euler
from darboux.solvers import descend

_RATE = 0.5  # of gradient descent, for each of K layers over K
_GRADIENT = 1e-14  # of minimisers


def problem(
    *, layers: int = 1, weight: float = 0.0, activation: Activation | None = None
) -> ControlProblem:
    """Return min (z_K - K)² + λ/2 ‖θ‖², z_{k+1} = z_k + σ(A_k z_k + b_k), z_0 = 0, σ = tanh.

    With K = 1 it is (35), (tanh b - 1)². Every step is below 1, so that z_K = K is never reached.

    Example:
        >>> found = problem()
        >>> float(found.objective().detach())  # b = 0
        1.0
    """
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(1, 1), activation or Tanh()).double()
        for _ in range(layers)
    ]
    flow = dx.Flow(fields, Euler(), horizon=float(layers))
    with torch.no_grad():
        for p in flow.parameters():
            p.zero_()
    start = torch.zeros(1, 1, dtype=torch.float64)
    return ControlProblem(
        flow,
        start,
        lambda z: (z - layers).square().sum(),
        weight / 2 * L2() if weight else None,
    )


@dataclass(frozen=True)
class Descent:
    """Gradient descent along its steps."""

    objectives: Tensor  # E before each step
    sizes: Tensor  # ‖θ‖ before each step

    @property
    def times(self) -> Tensor:
        """Rate times steps, of one layer."""
        return _RATE * torch.arange(len(self.objectives), dtype=torch.float64)


def descent(of: ControlProblem, *, steps: int, start: float = 0.0) -> Descent:
    """Follow gradient descent from b_k = `start`, A_k = 0."""
    parameters = list(of.flow.parameters())
    with torch.no_grad():
        for name, p in of.flow.named_parameters():
            if "bias" in name:
                p.fill_(start)
    sizes: list[float] = []

    def objective(_: int) -> Tensor:
        sizes.append(math.sqrt(sum(float(p.detach().square().sum()) for p in parameters)))
        return of.objective()

    found = descend(
        torch.optim.SGD(parameters, lr=_RATE / len(of.flow.fields)), objective, range(steps)
    )
    return Descent(torch.tensor(found, dtype=torch.float64), torch.tensor(sizes))


@dataclass(frozen=True)
class Minimiser:
    """A minimiser with the regulariser λ/2 ‖θ‖²."""

    weight: float  # λ
    value: float  # min E
    size: float  # ‖θ‖
    exact: float  # the same from the equation of a minimiser, by bisection


def minimiser(weight: float) -> Minimiser:
    """Return the minimiser that Newton's method finds."""
    of = problem(weight=weight)
    GaussNewton(of, curvature="hessian").minimize(tol=_GRADIENT)
    parameters = torch.cat([p.detach().flatten() for p in of.flow.parameters()])
    return Minimiser(
        weight, float(of.objective().detach()), float(parameters.norm()), _stationary(weight)
    )


def _stationary(weight: float) -> float:
    """Return the b with λb = 2(1 - tanh b)/cosh² b, where both sides cross once."""
    low, high = 0.0, 20.0
    for _ in range(80):
        b = (low + high) / 2
        falls = weight * b < 2 * (1 - math.tanh(b)) / math.cosh(b) ** 2
        low, high = (b, high) if falls else (low, b)
    return low
