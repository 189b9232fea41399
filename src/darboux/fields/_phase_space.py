"""Phase space: the two halves of the channel axis, and the abstract field on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self, final

import torch
from torch import Tensor

from darboux.fields._field import Time, VectorField


class PhaseSpaceField(VectorField, ABC):
    """A field on phase space (z, p): ż = drift(t, z, p), ṗ = kick(t, z, p).

    Position z and momentum p are the two halves of the channel axis. A field of one's own
    extends this class, `SeparablePhaseField` if drift does not look at z nor kick at p, and
    `CanonicalPhaseField` if both come from a Hamiltonian.

    Shapes: the state x = (z, p) is (batch, 2 features, *space), z and p are
    (batch, features, *space).

    Source: section 2.1.2.
    """

    @abstractmethod
    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return ż, of the shape of z."""

    @abstractmethod
    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return ṗ, of the shape of p."""

    def slopes(self, t: Time, z: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return (ż, ṗ); fields that get both from one evaluation do."""
        return self.drift(t, z, p), self.kick(t, z, p)

    def forward(self, t: Time, x: Tensor) -> Tensor:
        """Return f(t, x) = (ż, ṗ) at the state x = (z, p)."""
        return join(*self.slopes(t, *halves(x)))


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (position, momentum), the two halves of the channel axis, as views.

    Shape: (batch, 2 features, *space) -> twice (batch, features, *space).

    Source: section 2.1.2.

    Args:
        x: states.

    Raises:
        ValueError: if the number of channels is odd, or there is no channel axis.

    Example:
        >>> z, p = halves(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
        >>> z, p
        (tensor([[1., 2.]]), tensor([[3., 4.]]))
    """
    if x.ndim < 2 or x.shape[1] % 2:
        found = f"{x.shape[1]} of them" if x.ndim > 1 else "no channel axis"
        msg = (
            "Expected an even number of channels (position, momentum) along axis 1; got "
            f"{found}, shape {tuple(x.shape)}. Append zero channels, e.g. with a Lift."
        )
        raise ValueError(msg)
    position, momentum = x.chunk(2, dim=1)
    return position, momentum


def join(z: Tensor, p: Tensor) -> Tensor:
    """Return the state x = (z, p).

    Shape: twice (batch, features, *space) -> (batch, 2 features, *space).

    Source: section 2.1.2.

    Args:
        z: positions.
        p: momenta, of the same shape.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> join(torch.zeros(1, 2), torch.ones(1, 2))
        tensor([[0., 0., 1., 1.]])
    """
    if z.shape != p.shape:
        msg = (
            f"Expected position and momentum of one shape; got {tuple(z.shape)} and "
            f"{tuple(p.shape)}. Use as many momenta as positions."
        )
        raise ValueError(msg)
    return torch.cat([z, p], dim=1)


class CanonicalPhaseField(PhaseSpaceField, ABC):
    """A Hamiltonian field f = J∇H, ż = ∂H/∂p and ṗ = -∂H/∂z, J = [[0, I], [-I, 0]].

    J is skew, so ⟨∇H, f⟩ = 0: an autonomous H is constant along solutions. Subclasses see
    to it that drift = ∂energy/∂p and kick = -∂energy/∂z.

    Shapes: as for `PhaseSpaceField`; energies are (batch,).

    Source: section 2.1.2.
    """

    canonical = True

    @classmethod
    def from_argument(cls, value: object) -> Self:
        """Say which fields are Hamiltonian."""
        msg = (
            "It needs an energy, f = J∇H: use HamiltonianField, SecondOrderField, "
            "LearnedHamiltonianField or SeparableHamiltonianField."
        )
        raise TypeError(msg)

    @property
    def conservative(self) -> bool:  # type: ignore[override]
        """Whether H is kept: J is skew, so it is unless H depends on t."""
        return self.autonomous

    @property
    def passive(self) -> bool:  # type: ignore[override]
        """Whether H does not rise."""
        return self.autonomous

    @abstractmethod
    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return H(t, z, p), (batch,), summed over space."""

    def gradient(self, t: Time, x: Tensor) -> Tensor:
        """Return ∇H = (∂H/∂z, ∂H/∂p), of the shape of x."""
        drift, kick = self.slopes(t, *halves(x))
        return join(-kick, drift)

    def steer(self, t: Time, x: Tensor, g: Tensor) -> Tensor:
        """Return J g."""
        del t, x  # J is constant
        by_position, by_momentum = halves(g)
        return join(by_momentum, -by_position)


class SeparablePhaseField(PhaseSpaceField, ABC):
    """A field ż = drift(t, p), ṗ = kick(t, z): each half moves by what the other half says.

    It is the sum of two shears, `DriftPart` and `KickPart`, each with divergence 0 and a flow
    that is exact: while one half moves, what moves it stays where it is. Subclasses see to
    it that drift does not look at z, nor kick at p.

    Shapes: as for `PhaseSpaceField`.

    Source: section 2.1.2, equations (18) and (19); section 2.2.3.
    """

    separable = True
    divergence_free = True
    exact_parts = True

    def parts(self) -> tuple[DriftPart, KickPart]:
        """Return the two shears, the drift first."""
        return DriftPart(self), KickPart(self)


@final
class DriftPart:
    """The shear ż = drift(t, p), ṗ = 0.

    Shapes: states are (batch, 2 features, *space), kept.

    Source: section 2.2.3.

    Args:
        field: the separable field.

    Example:
        >>> import torch, darboux as dx
        >>> linear = dx.linear.Dense(1, 1)
        >>> field = dx.fields.SecondOrderField(linear, dx.activations.Tanh())
        >>> DriftPart(field).flow(0.0, 0.5, torch.tensor([[1.0, 2.0]]))
        tensor([[2., 2.]])
    """

    def __init__(self, field: SeparablePhaseField) -> None:
        self.field = field

    def __call__(self, t: Time, x: Tensor) -> Tensor:
        """Return (drift(t, p), 0)."""
        z, p = halves(x)
        return join(self.field.drift(t, z, p), torch.zeros_like(p))

    def flow(self, t: Time, h: Time, x: Tensor) -> Tensor:
        """Return (z + h drift(t, p), p)."""
        z, p = halves(x)
        return join(z + h * self.field.drift(t, z, p), p)


@final
class KickPart:
    """The shear ż = 0, ṗ = kick(t, z).

    Shapes: states are (batch, 2 features, *space), kept.

    Source: section 2.2.3.

    Args:
        field: the separable field.

    Example:
        >>> import torch, darboux as dx
        >>> linear = dx.linear.Dense(1, 1)
        >>> field = dx.fields.SecondOrderField(linear, dx.activations.Tanh())
        >>> x = torch.tensor([[0.0, 2.0]])
        >>> bool((KickPart(field).flow(0.0, 0.5, x) == x).all())
        True
    """

    def __init__(self, field: SeparablePhaseField) -> None:
        self.field = field

    def __call__(self, t: Time, x: Tensor) -> Tensor:
        """Return (0, kick(t, z))."""
        z, p = halves(x)
        return join(torch.zeros_like(z), self.field.kick(t, z, p))

    def flow(self, t: Time, h: Time, x: Tensor) -> Tensor:
        """Return (z, p + h kick(t, z))."""
        z, p = halves(x)
        return join(z, p + h * self.field.kick(t, z, p))
