"""Ready learnable energies: potential, kinetic, and any network."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.activations import Activation
from darboux.fields._checks import require_conservative
from darboux.fields.field import Time
from darboux.fields.phase_space import join
from darboux.linear import LinearMap


@final
class PotentialEnergy(nn.Module):
    """The potential V(t, z) = 1ᵀγ(Az + b), γ' = σ: convex where σ does not fall.

    Its derivative is A*σ(Az + b). It serves as the kinetic energy of a momentum, too.

    Shapes: z is (batch, in_features, *space), V is (batch,), summed over space.

    Source: section 2.1.2.

    Args:
        map: the linear map A.
        activation: σ, elementwise.

    Raises:
        TypeError: if σ mixes channels.

    Example:
        >>> import torch, darboux as dx
        >>> potential = dx.fields.PotentialEnergy(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> potential(0.0, torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(self, map: LinearMap, activation: Activation) -> None:
        super().__init__()
        require_conservative("PotentialEnergy", activation)
        self.map = map
        self.activation = activation
        self.bias = map.bias()

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return V, (batch,)."""
        del t  # autonomous
        return self.activation.antiderivative(self.map.affine(z, self.bias)).flatten(1).sum(dim=1)


@final
class KineticEnergy(nn.Module):
    """The kinetic energy T(t, p) = ½ Σ p_i²/m_i with a learned mass for every feature.

    m_i = exp(log_mass_i) > 0 starts at 1. T is even in p.

    Shapes: p is (batch, features, *space), T is (batch,), summed over space.

    Source: section 2.1.2.

    Args:
        features: how many masses, the channels of p.

    Raises:
        ValueError: if the number is not positive.

    Example:
        >>> import torch
        >>> KineticEnergy(2)(0.0, torch.tensor([[3.0, 4.0]]))
        tensor([12.5000], grad_fn=<SumBackward1>)
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        if isinstance(features, bool) or not isinstance(features, int) or features < 1:
            msg = f"KineticEnergy: expected features >= 1; got {features!r}. Use the channels of p."
            raise ValueError(msg)
        self.log_mass = nn.Parameter(torch.zeros(features))

    def forward(self, t: Time, p: Tensor) -> Tensor:
        """Return T, (batch,)."""
        del t  # autonomous
        mass = self.log_mass.exp().reshape(-1, *(1,) * (p.ndim - 2))
        return (0.5 * p.square() / mass).flatten(1).sum(dim=1)

    def extra_repr(self) -> str:
        """Return the number of masses."""
        return str(len(self.log_mass))


@final
class NetworkEnergy(nn.Module):
    """The energy H(t, z, p) = Σ network(z, p): a Hamiltonian neural network.

    The network sees positions and momenta stacked as channels; whatever it returns for a
    sample is summed up. It should be smooth (Tanh, Softplus): the field is its derivative,
    and training takes another. A bias of its last layer only shifts H, and no gradient
    reaches it: leave it out.

    Shapes: z and p are (batch, features, *space), the network takes
    (batch, 2 features, *space) to (batch, ...), H is (batch,).

    Source: section 2.1.2; Greydanus et al. 2019.

    Args:
        network: any module of one input.

    Raises:
        ValueError: if the network does not keep the batch apart.

    Example:
        >>> import torch, darboux as dx
        >>> layers = torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1, bias=False)
        >>> energy = NetworkEnergy(torch.nn.Sequential(*layers))
        >>> energy(0.0, torch.zeros(3, 2), torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return H, (batch,)."""
        del t  # autonomous
        value = self.network(join(z, p))
        if value.ndim < 1 or value.shape[0] != z.shape[0]:
            msg = (
                f"NetworkEnergy: expected a network output of shape (batch, ...) with batch "
                f"{z.shape[0]}; got {tuple(value.shape)}. Do not reduce over samples."
            )
            raise ValueError(msg)
        return value.reshape(z.shape[0], -1).sum(dim=1)
