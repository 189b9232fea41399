"""Ready learnable energies: potential, kinetic, and any network."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.activations import Activation
from darboux.fields._field import Time
from darboux.fields._layers import require_conservative
from darboux.fields._phase_space import join
from darboux.linear import LinearMap
from darboux.structure._arguments import Count, Positive, checked
from darboux.structure._module import Module, check_features


@final
class PotentialEnergy(Module):
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

    tensor_at = 1

    @checked
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
class KineticEnergy(Module):
    """The kinetic energy T(t, p) = ½ Σ p_i²/m_i with a learned mass for every feature.

    m_i = exp(log_mass_i) > 0 starts at 1. T is even in p.

    Shapes: p is (batch, features, *space), T is (batch,), summed over space.

    Source: section 2.1.2.

    Args:
        features: how many masses, the channels of p.

    Raises:
        TypeError: if the number is no integer.
        ValueError: if it is not positive.

    Example:
        >>> import torch
        >>> KineticEnergy(2)(0.0, torch.tensor([[3.0, 4.0]]))
        tensor([12.5000], grad_fn=<SumBackward1>)
    """

    tensor_at = 1

    @checked
    def __init__(self, features: Count) -> None:
        super().__init__()
        self.log_mass = nn.Parameter(torch.zeros(features))

    def forward(self, t: Time, p: Tensor) -> Tensor:
        """Return T, (batch,)."""
        del t  # autonomous
        if p.ndim < 2 or p.shape[1] != len(self.log_mass):
            msg = (
                f"KineticEnergy: expected p of shape (batch, {len(self.log_mass)}, *space); got "
                f"{tuple(p.shape)}. Use one mass for each channel."
            )
            raise ValueError(msg)
        mass = self.log_mass.exp().reshape(-1, *(1,) * (p.ndim - 2))
        return (0.5 * p.square() / mass).flatten(1).sum(dim=1)

    def extra_repr(self) -> str:
        """Return the number of masses."""
        return str(len(self.log_mass))


@final
class NetworkEnergy(Module):
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

    tensor_at = 1

    @checked
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return H, (batch,)."""
        del t  # autonomous
        check_features("NetworkEnergy", p)
        value = self.network(join(z, p))
        if value.ndim < 1 or value.shape[0] != z.shape[0]:
            msg = (
                f"NetworkEnergy: expected a network output of shape (batch, ...) with batch "
                f"{z.shape[0]}; got {tuple(value.shape)}. Do not reduce over samples."
            )
            raise ValueError(msg)
        return value if value.ndim == 1 else value.flatten(1).sum(dim=1)


@final
class QuadraticEnergy(Module):
    """The positive definite energy H(z) = ½ ‖A z‖² + ½ ε ‖z‖² = ½ ⟨z, Q z⟩, Q = A*A + ε.

    It grows in every direction, so that what does not raise it stays bounded.

    Shapes: z is (batch, features, *space), H is (batch,).

    Source: section 6.4.1.

    Args:
        map: A, from features to any number.
        floor: ε > 0, the smallest eigenvalue that Q may have.

    Raises:
        ValueError: if ε is not positive.

    Example:
        >>> import torch, darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4), floor=0.5)
        >>> bool((energy(torch.ones(2, 4)) >= 0.5 * 0.5 * 4).all())
        True
    """

    @checked
    def __init__(self, map: LinearMap, *, floor: Positive = 1e-3) -> None:
        super().__init__()
        self.map = map
        self.floor = float(floor)

    def forward(self, z: Tensor) -> Tensor:
        """Return H(z), (batch,)."""
        image = self.map(z).flatten(1).square().sum(dim=1)
        return 0.5 * (image + self.floor * z.flatten(1).square().sum(dim=1))

    def smoothness(self) -> Tensor:
        """Return a bound of the Lipschitz constant of ∇H, ‖Q‖ <= ‖A‖² + ε: float64, ()."""
        return self.map.norm_bound().square() + self.floor

    def extra_repr(self) -> str:
        """Return the floor."""
        return f"floor={self.floor:g}"
