"""Named fields on phase space: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from darboux.activations import (
    Activation,
    Clip,
    GroupSort,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softplus,
    Tanh,
)
from darboux.fields import (
    CoupledField,
    ExtendedPhaseSpace,
    HamiltonianField,
    KineticEnergy,
    LearnedHamiltonianField,
    NetworkEnergy,
    PhaseSpaceField,
    PotentialEnergy,
    SecondOrderField,
    SeparableHamiltonianField,
)
from darboux.linear import Composed, Conv, Dense, FiniteDifference, LinearMap, Stacked

_WAVES = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class DrivenPotential(nn.Module):
    """V(t, z) = Σ 1 - cos(z - a cos t): pendulums whose pivots move.

    Example:
        >>> DrivenPotential(2)(torch.zeros(3, 1), torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(self, features: int, dim: int = 0) -> None:
        super().__init__()
        self.features, self.dim = features, dim
        self.reach = nn.Parameter(torch.linspace(0.5, 1.0, features).reshape(-1, *(1,) * dim))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """Return V, (batch,)."""
        return (1 - torch.cos(z - self.reach * torch.cos(t))).flatten(1).sum(dim=1)


class DrivenEnergy(nn.Module):
    """H(t, z, p) = V(t, z) + Σ ½p² + c p sin z cos t: neither separable nor autonomous.

    Example:
        >>> DrivenEnergy(2)(torch.zeros(3, 1), torch.zeros(3, 2), torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(self, features: int, dim: int = 0) -> None:
        super().__init__()
        self.features, self.dim = features, dim
        self.potential = DrivenPotential(features, dim)
        self.coupling = nn.Parameter(torch.linspace(0.2, 0.4, features).reshape(-1, *(1,) * dim))

    def forward(self, t: Tensor, z: Tensor, p: Tensor) -> Tensor:
        """Return H, (batch,)."""
        mixed = self.coupling * p * torch.sin(z) * torch.cos(t)
        return self.potential(t, z) + (0.5 * p.square() + mixed).flatten(1).sum(dim=1)


def _network(freedom: int, dim: int) -> LearnedHamiltonianField:
    """Return a Hamiltonian neural network, dense or convolutional."""
    if dim == 0:
        layers: list[nn.Module] = [
            nn.Linear(2 * freedom, 8),
            nn.Tanh(),
            nn.Linear(8, 1, bias=False),
        ]
    else:
        first = _WAVES[dim](2 * freedom, 4, 3, padding=1)
        layers = [first, nn.Softplus(), _WAVES[dim](4, 1, 1, bias=False)]
    return LearnedHamiltonianField(NetworkEnergy(nn.Sequential(*layers)), autonomous=True)


def _learned(potential: LinearMap, activation: Activation) -> SeparableHamiltonianField:
    return SeparableHamiltonianField(
        KineticEnergy(potential.in_features),
        PotentialEnergy(potential, activation),
        autonomous=True,
        even_kinetic=True,
    )


def _driven(freedom: int, dim: int = 0) -> SeparableHamiltonianField:
    potential = DrivenPotential(freedom, dim)
    return SeparableHamiltonianField(KineticEnergy(freedom), potential, even_kinetic=True)


def _two_sided() -> HamiltonianField:
    maps = Dense(2, 5), Dense(2, 3)
    return HamiltonianField(*maps, Tanh(), activation_z=Softplus(), momentum_bias=False)


def _stacked() -> HamiltonianField:
    potential = Stacked(Conv(2, 3, kernel_size=3, dim=2), FiniteDifference(2, dim=2))
    return HamiltonianField(Conv(2, 4, kernel_size=3, dim=2), potential, Sigmoid())


def _composed() -> SecondOrderField:
    one, two = (
        Conv(3, 2, kernel_size=3, dim=1, padding_mode="zeros"),
        Conv(2, 3, kernel_size=3, dim=1),
    )
    return SecondOrderField(Composed(one, two), LeakyReLU())


CASES: dict[str, Callable[[], PhaseSpaceField]] = {
    "hamiltonian-1-tanh": lambda: HamiltonianField(Dense(1, 3), Dense(1, 2), Tanh()),
    "hamiltonian-2-reversible": _two_sided,
    "hamiltonian-3-identity": lambda: HamiltonianField(Dense(3, 3), Dense(3, 3), Identity()),
    "hamiltonian-4-relu": lambda: HamiltonianField(Dense(4, 2), Dense(4, 6), ReLU()),
    "hamiltonian-conv1d": lambda: HamiltonianField(
        Conv(2, 3, kernel_size=5, dim=1), Conv(2, 4, kernel_size=2, dim=1), Tanh()
    ),
    "hamiltonian-conv2d-zeros-clip": lambda: HamiltonianField(
        Conv(2, 3, kernel_size=3, dim=2, padding_mode="zeros"),
        Conv(2, 3, kernel_size=3, dim=2, padding_mode="zeros"),
        Clip(3, dim=2, threshold=0.3),
        momentum_bias=False,
    ),
    "hamiltonian-conv3d": lambda: HamiltonianField(
        Conv(1, 2, kernel_size=3, dim=3), Conv(1, 2, kernel_size=3, dim=3), Softplus()
    ),
    "hamiltonian-stacked": _stacked,
    "second-order-1-tanh": lambda: SecondOrderField(Dense(1, 4), Tanh()),
    "second-order-3-relu": lambda: SecondOrderField(Dense(3, 5), ReLU()),
    "second-order-conv1d-composed": _composed,
    "second-order-conv2d": lambda: SecondOrderField(Conv(2, 3, kernel_size=2, dim=2), Tanh()),
    "second-order-conv3d": lambda: SecondOrderField(Conv(1, 2, kernel_size=3, dim=3), Sigmoid()),
    "coupled-1-sigmoid": lambda: CoupledField(Dense(1, 1), Sigmoid()),
    "coupled-3-reversible": lambda: CoupledField(Dense(3, 3), Tanh(), momentum_bias=False),
    "coupled-4-group-sort": lambda: CoupledField(Dense(4, 4), GroupSort()),
    "coupled-conv1d": lambda: CoupledField(
        Conv(3, 3, kernel_size=3, dim=1, padding_mode="zeros"), Tanh()
    ),
    "coupled-conv2d": lambda: CoupledField(Conv(2, 2, kernel_size=3, dim=2), LeakyReLU()),
    "coupled-conv3d": lambda: CoupledField(Conv(1, 1, kernel_size=3, dim=3), Clip(threshold=0.5)),
    "learned-1-network": lambda: _network(1, 0),
    "learned-2-driven": lambda: LearnedHamiltonianField(DrivenEnergy(2)),
    "learned-4-network": lambda: _network(4, 0),
    "learned-conv1d-network": lambda: _network(2, 1),
    "learned-conv2d-driven": lambda: LearnedHamiltonianField(DrivenEnergy(2, 2)),
    "learned-conv3d-network": lambda: _network(1, 3),
    "separable-1-driven": lambda: _driven(1),
    "separable-3": lambda: _learned(Dense(3, 5), Tanh()),
    "separable-conv1d-driven": lambda: _driven(2, 1),
    "separable-conv2d": lambda: _learned(Conv(2, 3, kernel_size=3, dim=2), Softplus()),
    "extended-1-driven": lambda: ExtendedPhaseSpace(_driven(1)),
    "extended-2-driven": lambda: ExtendedPhaseSpace(LearnedHamiltonianField(DrivenEnergy(2))),
    "extended-2-autonomous": lambda: ExtendedPhaseSpace(_two_sided()),
}


def features_of(field: nn.Module) -> tuple[int, int]:
    """Return (channels, dim) of the states of a field in the catalogue.

    Example:
        >>> features_of(CASES["hamiltonian-3-identity"]())
        (6, 0)
    """
    if isinstance(field, ExtendedPhaseSpace):
        return features_of(field.field)[0] + 2, 0
    if isinstance(field, LearnedHamiltonianField) and isinstance(field.hamiltonian, NetworkEnergy):
        weight = next(field.hamiltonian.parameters())
        return weight.shape[1], weight.ndim - 2
    freedom, dim = _freedom(field)
    return 2 * freedom, dim


def _freedom(field: nn.Module) -> tuple[int, int]:
    """Return (features, dim) of the positions."""
    energy = getattr(field, "potential", getattr(field, "hamiltonian", None))
    if isinstance(energy, DrivenPotential | DrivenEnergy):
        return energy.features, energy.dim
    source = field if energy is None else energy
    linear = source.map_z if isinstance(source, HamiltonianField) else source.map
    assert isinstance(linear, LinearMap)
    return linear.in_features, linear.dim
