"""The field of any learned energy H(t, z, p), by differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor

from darboux.fields._differentiate import checked, require_callable, slope, time_of
from darboux.fields._field import Time
from darboux.fields._phase_space import CanonicalPhaseField, halves, join

Energy = Callable[[Tensor, Tensor, Tensor], Tensor]


@final
class LearnedHamiltonianField(CanonicalPhaseField):
    """The field ż = ∂H/∂p, ṗ = -∂H/∂z of any energy H(t, z, p): a Hamiltonian network.

    Derivatives are automatic and can be differentiated again, under every transformation
    of torch. Nothing is assumed of H but that the energy of a sample depends on that sample
    alone. In general it is not separable: explicit shears do not apply, and symplectic
    methods solve equations.

    Give a module, so that its parameters are those of the field. A function may be given
    where nothing is to be learned, or where its parameters live elsewhere.

    Shapes: the state (z, p) is (batch, 2 features, *space). The energy gets t as a tensor
    (batch, 1, ..., 1), one time for each sample, and z and p of (batch, features, *space);
    it returns (batch,).

    Source: section 2.1.2, equations (18) and (19); Greydanus et al. 2019.

    Args:
        energy: H, (t, z, p) -> (batch,).
        autonomous: whether H does not look at t.

    Raises:
        TypeError: if the energy cannot be called.
        ValueError: when called, if it does not return (batch,).

    Example:
        >>> import torch, darboux as dx
        >>> def pendulum(t, z, p):
        ...     return (p.square() / 2 - torch.cos(z)).sum(dim=1)
        >>> field = dx.fields.LearnedHamiltonianField(pendulum, autonomous=True)
        >>> field(0.0, torch.tensor([[1.0, 2.0]]))
        tensor([[ 2.0000, -0.8415]])
    """

    def __init__(self, energy: Energy, *, autonomous: bool = False) -> None:
        super().__init__()
        require_callable("LearnedHamiltonianField", "the energy", "t, z, p", energy)
        self.hamiltonian = energy
        self.autonomous = autonomous

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return ∂H/∂p."""
        return slope(lambda momentum: self._energy(t, z, momentum), p)

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return -∂H/∂z."""
        return -slope(lambda position: self._energy(t, position, p), z)

    def slopes(self, t: Time, z: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return (∂H/∂p, -∂H/∂z) from one evaluation."""
        both = slope(lambda x: self.energy(t, x), join(z, p))
        by_position, by_momentum = halves(both)
        return by_momentum, -by_position

    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return H(t, z, p), (batch,)."""
        return self._energy(t, *halves(x))

    def _energy(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        value = self.hamiltonian(time_of(t, z), z, p)
        return checked("LearnedHamiltonianField", value, z)

    def extra_repr(self) -> str:
        """Return what was declared."""
        return f"autonomous={self.autonomous}"
