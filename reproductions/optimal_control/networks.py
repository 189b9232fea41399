"""Networks of Benning et al. and of Figure 1 as flows, and their classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

import darboux as dx
from darboux.control import Regularizer, Simplex
from darboux.fields import VectorField
from darboux.integrators import Euler, ImprovedEuler, Integrator, Kutta3, Kutta4, Time

NET, RESNET, ODENET, SIMPLEX = "Net", "ResNet", "ODENet", "ODENet + simplex"
METHODS: dict[str, Integrator] = {
    "Euler": Euler(),
    "improved Euler": ImprovedEuler(),
    "Kutta(3)": Kutta3(),
    "Kutta(4)": Kutta4(),
}


@final
class Replacement(VectorField):
    """f(z) = σ(Az + b) - z: a step of Euler's method with h = 1 is a layer z -> σ(Az + b)."""

    autonomous = True

    def __init__(self, inner: dx.fields.ResidualField) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f."""
        found: Tensor = self.inner(t, z) - z
        return found


class Classifier(nn.Module):
    """The loss ½(C(wᵀz + μ) - c)² with C(x) = 1/(1 + e^-x), summed over points or its mean."""

    c: Tensor

    def __init__(self, c: Tensor, *, features: int = 2, mean: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1, dtype=torch.float64)
        nn.init.normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("c", c)
        self.mean = mean

    def forward(self, z: Tensor) -> Tensor:
        """Return the loss, ()."""
        errors = 0.5 * (self.probability(z) - self.c).square()
        return errors.mean() if self.mean else errors.sum()

    def probability(self, z: Tensor) -> Tensor:
        """Return C(wᵀz + μ), (points,)."""
        found: Tensor = self.linear(z)[:, 0].sigmoid()
        return found


@dataclass(frozen=True)
class Kind:
    """A network: how it is made, with initial weights, and what is added to its loss."""

    name: str
    make: Callable[[int], dx.Flow]  # from the number of layers
    regularizer: Regularizer | None = None


def field(features: int = 2, *, with_bias: bool = False) -> dx.fields.ResidualField:
    """Return tanh(Az + b) with normal entries of A, and of b or b = 0."""
    layer = dx.linear.Dense(features, features)
    found = dx.fields.ResidualField(layer, dx.activations.Tanh()).double()
    nn.init.normal_(layer.weight)
    (nn.init.normal_ if with_bias else nn.init.zeros_)(found.bias)
    return found


def _net(layers: int) -> dx.Flow:
    fields = [Replacement(field()) for _ in range(layers)]
    return dx.Flow(fields, Euler(), horizon=float(layers))


def _resnet(layers: int) -> dx.Flow:
    return dx.Flow([field() for _ in range(layers)], Euler())


def _learned(layers: int) -> dx.Flow:
    start = torch.full((layers,), 1 / layers, dtype=torch.float64)
    steps = dx.LearnedSteps(layers, constraint="none", start=start)
    return dx.Flow([field() for _ in range(layers)], Euler(), steps=steps)


KINDS = (
    Kind(NET, _net),
    Kind(RESNET, _resnet),
    Kind(ODENET, _learned),
    Kind(SIMPLEX, _learned, Simplex()),
)


def kind_of(name: str) -> Kind:
    """Return the network of a Runge-Kutta method, with steps of 0.1."""
    method = METHODS[name]

    def make(layers: int) -> dx.Flow:
        fields = [field(with_bias=True) for _ in range(layers)]
        return dx.Flow(fields, method, horizon=0.1 * layers)

    return Kind(name, make)
