"""The small problems whose deep limits are looked at: four networks, one set of points."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

import darboux as dx
from darboux.activations import Tanh
from darboux.control import ControlProblem, Regularizer
from darboux.fields import GradientField, HamiltonianField, ResidualField, VectorField
from darboux.integrators import Euler, ImprovedEuler, Integrator, StormerVerlet
from darboux.linear import Dense

EULER, HEUN, VERLET, GRADIENT = "Euler", "improved Euler", "Verlet", "gradient flow"
_POINTS = 16


def _residual() -> VectorField:
    return ResidualField(Dense(2, 2), Tanh())


def _hamiltonian() -> VectorField:
    return HamiltonianField(Dense(1, 1), Dense(1, 1), Tanh())


def _gradient() -> VectorField:
    return GradientField(Dense(2, 2), Tanh(), metric="norm")


# the norm of the map itself has kinks where singular values cross, a row bound where rows are
# orthogonal: the field of (16) as printed is smooth in its weights
NETWORKS: dict[str, tuple[Callable[[], VectorField], Integrator]] = {
    EULER: (_residual, Euler()),
    HEUN: (_residual, ImprovedEuler()),
    VERLET: (_hamiltonian, StormerVerlet()),
    GRADIENT: (_gradient, Euler()),
}


def flow(name: str, depth: int, *, seed: int, alike: bool) -> dx.Flow:
    """Return a network on [0, 1] in double precision; all fields alike, or all drawn apart."""
    make, method = NETWORKS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fields = [make() for _ in range(1 if alike else depth)]
    found = dx.Flow(fields, method).double()
    return dx.control.prolong(found, depth) if alike else found


def problem(name: str, regularizer: Regularizer | None, *, seed: int) -> ControlProblem:
    """Return the problem with one step: points on two circles, to be moved elsewhere."""
    z = _points()
    goal = _sheared(z) if name == VERLET else _curved(z)

    def loss(y: Tensor) -> Tensor:
        return (y - goal).square().sum(dim=1).mean()

    return ControlProblem(flow(name, 1, seed=seed, alike=True), z, loss, regularizer)


def theta(network: dx.Flow) -> Tensor:
    """Return θ_k, (K, parameters of a field)."""
    fields = [torch.cat([p.detach().flatten() for p in f.parameters()]) for f in network.fields]
    return torch.stack(fields)


def _curved(z: Tensor) -> Tensor:
    first = 1.5 * z[:, 0] + z[:, 1].square() - 0.5
    return torch.stack([first, 0.5 * (2 * z[:, 0]).sin() - 0.5 * z[:, 1]], dim=1)


def _sheared(z: Tensor) -> Tensor:
    """Return the image under a map that keeps areas, as Hamiltonian flows do."""
    position = z[:, 0] + (2 * z[:, 1]).tanh()
    return torch.stack([position, z[:, 1] - (2 * position).tanh()], dim=1)


def _points() -> Tensor:
    k = torch.arange(_POINTS, dtype=torch.float64)
    angle, radius = 2 * math.pi * k / _POINTS, 1 - 0.5 * (k % 2 == 0)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
