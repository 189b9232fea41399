"""Named port-Hamiltonian and divergence-free fields: name -> factory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from darboux.activations import Clip, LeakyReLU, Tanh
from darboux.fields import (
    DivergenceFreeField,
    Interconnection,
    PortHamiltonianField,
    QuadraticEnergy,
    ShearField,
    VectorField,
)
from darboux.linear import Conv, Dense, LinearMap


class Pendulum(nn.Module):
    """The energy H(q, p) = ½ p² - ω² cos q of pendulums, (batch, 2) -> (batch,)."""

    def __init__(self) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor) -> Tensor:
        """Return H, (batch,)."""
        return 0.5 * z[:, 1].square() - self.frequency.square() * z[:, 0].cos()


class NetworkEnergy(nn.Module):
    """A learned energy H(z) = Σ γ(W z) + ½ ‖z‖², (batch, features, *space) -> (batch,)."""

    def __init__(self, map: LinearMap) -> None:
        super().__init__()
        self.map = map
        self.activation = Tanh()

    def forward(self, z: Tensor) -> Tensor:
        """Return H, (batch,)."""
        bend = (3 * self.map(z)).tanh().square() + self.map(z).sin()
        return bend.flatten(1).sum(dim=1) + 0.5 * z.flatten(1).square().sum(dim=1)


class Wave(nn.Module):
    """The signal u(t) = a cos(3t), one number for each port, the same on every pixel."""

    def __init__(self, ports: int, *, dim: int = 0) -> None:
        super().__init__()
        self.amplitude = nn.Parameter(torch.linspace(0.5, 1.0, ports).reshape(1, -1, *(1,) * dim))

    def forward(self, t: float | Tensor) -> Tensor:
        """Return u(t), (1, ports, 1, ...)."""
        phase = 3 * t
        return self.amplitude * (phase.cos() if isinstance(phase, Tensor) else math.cos(phase))


def _pendulum() -> PortHamiltonianField:
    """Return q̇ = p, ṗ = -sin q: half of the matrix that has J as its skew part."""
    skew = Dense(2, 2)
    with torch.no_grad():
        skew.weight.copy_(torch.tensor([[0.0, 0.5], [-0.5, 0.0]]))
    return PortHamiltonianField(Pendulum(), skew)


def _quadratic(
    *, ports: int = 2, damped: bool = False, driven: bool = False
) -> PortHamiltonianField:
    return PortHamiltonianField(
        QuadraticEnergy(Dense(4, 4), floor=0.1),
        Dense(4, 4),
        damping=Dense(4, 2) if damped else None,
        port=Dense(ports, 4) if ports else None,
        signal=Wave(ports) if driven else None,
    )


def _image() -> PortHamiltonianField:
    return PortHamiltonianField(
        NetworkEnergy(Conv(2, 3, kernel_size=3, dim=2)),
        Conv(2, 2, kernel_size=3, dim=2, padding_mode="zeros"),
        damping=Conv(2, 1, kernel_size=(3, 2), dim=2),
        port=Conv(1, 2, kernel_size=3, dim=2, padding_mode="zeros"),
        signal=Wave(1, dim=2),
    )


def _potential(features: int) -> nn.Module:
    pairs = features * (features - 1) // 2
    return nn.Sequential(nn.Linear(features, 8), nn.Tanh(), nn.Linear(8, pairs))


PASSIVE: dict[str, Callable[[], VectorField]] = {
    "port-pendulum": _pendulum,
    "port-quadratic": lambda: _quadratic(ports=0),
    "port-quadratic-damped": lambda: _quadratic(damped=True),
    "port-quadratic-driven": lambda: _quadratic(damped=True, driven=True),
    "port-network": lambda: PortHamiltonianField(NetworkEnergy(Dense(4, 6)), Dense(4, 4)),
    "port-network-damped": lambda: PortHamiltonianField(
        NetworkEnergy(Dense(4, 6)), Dense(4, 4), damping=Dense(4, 4)
    ),
    "port-conv1d": lambda: PortHamiltonianField(
        QuadraticEnergy(Conv(3, 2, kernel_size=3, dim=1)), Conv(3, 3, kernel_size=5, dim=1)
    ),
    "port-conv2d-driven": _image,
    "port-conv3d-damped": lambda: PortHamiltonianField(
        NetworkEnergy(Conv(2, 2, kernel_size=1, dim=3)),
        Conv(2, 2, kernel_size=3, dim=3),
        damping=Conv(2, 1, kernel_size=1, dim=3),
    ),
    "interconnection": lambda: Interconnection(_quadratic(), _quadratic()),
    "interconnection-damped": lambda: Interconnection(_quadratic(), _quadratic(damped=True)),
    "interconnection-driven": lambda: Interconnection(_quadratic(driven=True), _quadratic()),
    "interconnection-nested": lambda: Interconnection(
        Interconnection(_quadratic(), _quadratic(damped=True)), _quadratic(ports=4)
    ),
}

DIVERGENCE_FREE: dict[str, Callable[[], VectorField]] = {
    "shear-dense": lambda: ShearField(Dense(4, 6), Tanh()),
    "shear-dense-thresholds": lambda: ShearField(Dense(3, 2), Clip(2, dim=0, threshold=0.4)),
    "shear-conv1d": lambda: ShearField(Conv(3, 2, kernel_size=3, dim=1), Tanh()),
    "shear-conv2d-even": lambda: ShearField(Conv(2, 3, kernel_size=(2, 3), dim=2), LeakyReLU()),
    "shear-conv3d-one-tap": lambda: ShearField(
        Conv(2, 2, kernel_size=1, dim=3, padding_mode="zeros"), Tanh()
    ),
    "divergence-free-plane": lambda: DivergenceFreeField(_potential(2), features=2),
    "divergence-free": lambda: DivergenceFreeField(_potential(4), features=4),
}

CASES: dict[str, Callable[[], VectorField]] = {**PASSIVE, **DIVERGENCE_FREE}


def features_of(field: VectorField) -> tuple[int, int]:
    """Return (features, dim) of the states of a field in the catalogue.

    Example:
        >>> features_of(CASES["interconnection"]()), features_of(CASES["shear-conv1d"]())
        ((8, 0), (3, 1))
    """
    if isinstance(field, ShearField):
        return field.map.in_features, field.map.dim
    if isinstance(field, DivergenceFreeField):
        return field.features, 0
    assert isinstance(field, PortHamiltonianField | Interconnection)
    return field.features, field.dim
