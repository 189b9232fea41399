"""The fields of learned energies, by differentiation."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Annotated, final

import torch
from torch import Tensor

from darboux.fields._differentiate import energies, slope, slopes, time_of
from darboux.fields._field import Prepared, Time
from darboux.fields._phase_space import CanonicalPhaseField, SeparablePhaseField, halves
from darboux.structure._arguments import checked

Energy = Annotated[
    Callable[[Tensor, Tensor, Tensor], Tensor],
    "Write a module of (t, z, p); NetworkEnergy(network) is one, of any network of one input.",
]

Half = Annotated[
    Callable[[Tensor, Tensor], Tensor],
    "Write a module of (t, p), or (t, z), as KineticEnergy and PotentialEnergy are.",
]


@final
class LearnedHamiltonianField(CanonicalPhaseField):
    """The field ż = ∂H/∂p, ṗ = -∂H/∂z of any energy H(t, z, p): a Hamiltonian network.

    Derivatives are automatic and can be differentiated again, under every transformation
    of torch. Nothing is assumed of H but that the energy of a sample depends on that sample
    alone. In general it is not separable: explicit shears do not apply, and symplectic
    methods solve equations. If it separates all the same, that costs one evaluation each.

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
        TypeError: if the energy is no function of (t, z, p).
        ValueError: when called, if it does not return (batch,).

    Example:
        >>> import torch, darboux as dx
        >>> def pendulum(t, z, p):
        ...     return (p.square() / 2 - torch.cos(z)).sum(dim=1)
        >>> field = dx.fields.LearnedHamiltonianField(pendulum, autonomous=True)
        >>> field(0.0, torch.tensor([[1.0, 2.0]]))
        tensor([[ 2.0000, -0.8415]])
    """

    _recent_slopes: dict[str, tuple[Tensor, Tensor]] | None = None  # where steps begin their search

    @checked
    def __init__(self, energy: Energy, *, autonomous: bool = False) -> None:
        super().__init__()
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
        by_position, by_momentum = slopes(lambda z, p: self._energy(t, z, p), z, p)
        return by_momentum, -by_position

    @property
    def at_once(self) -> bool:
        """Whether slopes() gives in one evaluation what drift() and kick() do."""
        return {"drift", "kick"}.isdisjoint(vars(self))

    def prepare(self) -> Prepared:
        """Return a copy in which steps leave their slopes."""
        if torch.compiler.is_compiling():
            return self
        prepared = copy(self)
        prepared._recent_slopes = {}
        return prepared

    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return H(t, z, p), (batch,)."""
        return self._energy(t, *halves(x))

    def _energy(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        value = self.hamiltonian(time_of(t, z), z, p)
        return energies("LearnedHamiltonianField", value, z)

    def extra_repr(self) -> str:
        """Return what was declared."""
        return f"autonomous={self.autonomous}"


@final
class SeparableHamiltonianField(SeparablePhaseField, CanonicalPhaseField):
    """The field ż = ∂T/∂p, ṗ = -∂V/∂z of H(t, z, p) = T(t, p) + V(t, z).

    T and V are any energies; derivatives are automatic. Each half moves by an exact shear,
    so that symplectic methods are explicit. Give modules, so that their parameters are those
    of the field.

    Shapes: the state (z, p) is (batch, 2 features, *space). The energies get t as a tensor
    (batch, 1, ..., 1), one time for each sample, and one half (batch, features, *space);
    they return (batch,).

    Source: section 2.1.2, equations (18) and (19).

    Args:
        kinetic: T, (t, p) -> (batch,).
        potential: V, (t, z) -> (batch,).
        autonomous: whether neither looks at t.
        even_kinetic: whether T(t, -p) = T(t, p), which makes the field reversible.

    Raises:
        TypeError: if an energy is no function of (t, p) or (t, z).
        ValueError: when called, if an energy does not return (batch,).

    Example:
        >>> import torch, darboux as dx
        >>> kinetic = dx.fields.KineticEnergy(2)
        >>> potential = dx.fields.PotentialEnergy(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> field = dx.fields.SeparableHamiltonianField(
        ...     kinetic, potential, autonomous=True, even_kinetic=True
        ... )
        >>> field(0.0, torch.zeros(3, 4)).shape, field.separable, field.reversible
        (torch.Size([3, 4]), True, True)
    """

    @checked
    def __init__(
        self,
        kinetic: Half,
        potential: Half,
        *,
        autonomous: bool = False,
        even_kinetic: bool = False,
    ) -> None:
        super().__init__()
        self.kinetic = kinetic
        self.potential = potential
        self.autonomous = autonomous
        self.reversible = even_kinetic

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return ∂T/∂p."""
        del z  # separable
        return slope(lambda momentum: self._kinetic(t, momentum), p)

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return -∂V/∂z."""
        del p
        return -slope(lambda position: self._potential(t, position), z)

    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return H(t, z, p) = T(t, p) + V(t, z), (batch,)."""
        z, p = halves(x)
        return self._kinetic(t, p) + self._potential(t, z)

    def _kinetic(self, t: Time, p: Tensor) -> Tensor:
        value = self.kinetic(time_of(t, p), p)
        return energies("SeparableHamiltonianField: kinetic", value, p)

    def _potential(self, t: Time, z: Tensor) -> Tensor:
        value = self.potential(time_of(t, z), z)
        return energies("SeparableHamiltonianField: potential", value, z)

    def extra_repr(self) -> str:
        """Return what was declared."""
        return f"autonomous={self.autonomous}, even_kinetic={self.reversible}"
