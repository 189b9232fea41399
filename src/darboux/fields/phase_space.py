"""Phase space: the two halves of the channel axis, and the abstract field on it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from darboux.fields.field import Time, VectorField


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
