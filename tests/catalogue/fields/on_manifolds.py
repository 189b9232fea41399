"""Named fields on manifolds, and those whose weights are: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from darboux.activations import LeakyReLU, ReLU, Tanh
from darboux.fields import (
    EvolvingField,
    GeneratorField,
    MechanicalField,
    PotentialField,
    TangentField,
    VectorField,
)
from darboux.linear import Dense
from darboux.manifolds import SO, SPD, Grassmann, HomogeneousSpace, LevelSet, Sphere, Stiefel


class Wave(nn.Module):
    """A function of (t, x) with parameters: sin(A x + t) of all entries of a point."""

    def __init__(self, entries: int, out: int | None = None) -> None:
        super().__init__()
        self.keeps_shape = out is None
        self.weight = nn.Parameter(torch.randn(out or entries, entries) / entries**0.5)
        self.rate = nn.Parameter(torch.randn(out or entries))

    def forward(self, t: float | Tensor, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.weight.shape[1]) @ self.weight.mT
        value = torch.sin(2 * rows + t * self.rate)
        return value.reshape(x.shape) if self.keeps_shape else value


class Turn(nn.Module):
    """A skew matrix that depends on (t, x)."""

    def __init__(self, n: int, entries: int) -> None:
        super().__init__()
        self.n, self.wave = n, Wave(entries, n * n)

    def forward(self, t: float | Tensor, x: Tensor) -> Tensor:
        a = self.wave(t, x).unflatten(-1, (self.n, self.n))
        return a - a.mT


class Stretch(nn.Module):
    """The symmetric matrix W x + x Wᵀ with a bounded W that depends on (t, x)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n, self.wave = n, Wave(n * n, n * n)

    def forward(self, t: float | Tensor, x: Tensor) -> Tensor:
        w = 0.3 * self.wave(t, x).unflatten(-1, (self.n, self.n))
        return w @ x + x @ w.mT


class Height(nn.Module):
    """A potential that is linear in one entry."""

    def __init__(self, *index: int) -> None:
        super().__init__()
        self.index = index
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, q: Tensor) -> Tensor:
        return self.weight * q[(slice(None), *self.index)]


def oval(x: Tensor) -> Tensor:
    """Return x²/4 + y² + z⁴ - 1."""
    x, y, z = x.split(1, dim=1)
    return x**2 / 4 + y**2 + z**4 - 1


def _tangent(manifold: HomogeneousSpace) -> TangentField:
    return TangentField(manifold, Wave(torch.Size(manifold.shape).numel()))


# Those that the methods for homogeneous spaces step.
HOMOGENEOUS: dict[str, Callable[[], VectorField]] = {
    "tangent-sphere": lambda: _tangent(Sphere(3)),
    "tangent-so3": lambda: _tangent(SO(3)),
    "tangent-spd": lambda: TangentField(SPD(3), Stretch(3)),
    "tangent-stiefel": lambda: _tangent(Stiefel(5, 2)),
    "generator-so3": lambda: GeneratorField(SO(3), Turn(3, 9)),
    "generator-sphere": lambda: GeneratorField(Sphere(4), Turn(4, 4)),
    "potential-sphere": lambda: PotentialField(Sphere(3), Dense(3, 8), Tanh()),
    "potential-spd": lambda: PotentialField(SPD(3), Dense(9, 4), Tanh()),
}

MECHANICAL: dict[str, Callable[[], VectorField]] = {
    "mechanical-pendulum": lambda: MechanicalField(Sphere(3), Height(2)),
    "mechanical-top": lambda: MechanicalField.rigid_body(SO(3), (1.0, 1.0, 0.6), Height(2, 2)),
    "mechanical-oval": lambda: MechanicalField(
        LevelSet(oval, (3,)), Height(0), masses=(1.0, 2.0, 0.5)
    ),
}

# Those of plain features whose weights evolve on a manifold.
EVOLVING: dict[str, Callable[[], VectorField]] = {
    "evolving-so": lambda: EvolvingField(SO(4), Tanh(), steps=3, form="residual"),
    "evolving-stiefel": lambda: EvolvingField(Stiefel(6, 4), ReLU(), steps=2, horizon=2.0),
    "evolving-grassmann": lambda: EvolvingField(Grassmann(6, 4), LeakyReLU(), steps=3),
}

CASES = {**HOMOGENEOUS, **MECHANICAL, **EVOLVING}


def states_of(field: VectorField, batch: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return points of a field's manifold, or features of four channels."""
    manifold = field.manifold
    if manifold is None:
        return torch.randn(batch, 4, dtype=dtype)
    if hasattr(manifold, "random_point"):
        return manifold.random_point(batch, dtype=dtype).contiguous()
    return manifold.nearest(torch.randn(batch, *manifold.shape, dtype=dtype))
