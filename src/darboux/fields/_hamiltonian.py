"""The two-layer Hamiltonian field of Chang et al."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor, nn

from darboux.activations import Activation
from darboux.fields._checks import require_conservative, slope_premises
from darboux.fields._differentiate import checked, require_callable, slope, time_of
from darboux.fields._equivariance import phase_space, pulled_back
from darboux.fields._field import Time
from darboux.fields._phase_space import CanonicalPhaseField, SeparablePhaseField, halves
from darboux.fields._shears import Range, hessian_range, largest, one_sided, require_one_space
from darboux.linear import LinearMap
from darboux.structure import AdjointOf, Equivariant, NormAtMost, Premise


@final
class HamiltonianField(SeparablePhaseField, CanonicalPhaseField):
    """The separable Hamiltonian field ż = A₁*σ₁(A₁p + b₁), ṗ = -A₂*σ₂(A₂z + b₂).

    H(z, p) = 1ᵀγ₁(A₁p + b₁) + 1ᵀγ₂(A₂z + b₂) with γᵢ' = σᵢ. The Jacobian is
    [[0, P], [-Q, 0]] with P = A₁*D₁A₁, Q = A₂*D₂A₂, so that

        L <= maxᵢ max|σᵢ'| ‖Aᵢ‖²,    ν = ½ ‖P - Q‖ <= ½ maxᵢ max|σᵢ'| ‖Aᵢ‖² if σᵢ' >= 0.

    It is reversible under p -> -p where σ₁ is odd and b₁ = 0.

    Shapes: the state (z, p) is (batch, 2 features, *space); A₁ and A₂ map features to any
    numbers.

    Source: section 2.1.2; Chang et al. 2018.

    Args:
        map_p: A₁, which acts on the momentum.
        map_z: A₂, which acts on the position.
        activation: σ₁, elementwise.
        activation_z: σ₂, elementwise; σ₁ if None.
        momentum_bias: whether there is a b₁.

    Raises:
        ValueError: if the maps take different numbers of features.
        TypeError: if an activation mixes channels.

    Example:
        >>> import torch, darboux as dx
        >>> one, two = dx.linear.Dense(2, 6), dx.linear.Dense(2, 5)
        >>> field = dx.fields.HamiltonianField(one, two, dx.activations.Tanh())
        >>> field(0.0, torch.zeros(3, 4)).shape, field.energy(0.0, torch.zeros(3, 4)).shape
        (torch.Size([3, 4]), torch.Size([3]))
    """

    autonomous = True

    def __init__(
        self,
        map_p: LinearMap,
        map_z: LinearMap,
        activation: Activation,
        *,
        activation_z: Activation | None = None,
        momentum_bias: bool = True,
    ) -> None:
        super().__init__()
        require_one_space("HamiltonianField", map_p, map_z)
        for sigma in (activation, activation_z or activation):
            require_conservative("HamiltonianField", sigma)
        self.map_p = map_p
        self.map_z = map_z
        self.activation = activation
        # not a second name of σ₁: parameters would be saved twice
        self.activation_z = activation_z
        self.bias_p: nn.Parameter | None = map_p.bias() if momentum_bias else None
        self.bias_z = map_z.bias()
        self.reversible = activation.odd and not momentum_bias

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return A₁*σ₁(A₁p + b₁)."""
        del t, z  # autonomous and separable
        return self.map_p.adjoint(self.activation(self.map_p.affine(p, self.bias_p)))

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return -A₂*σ₂(A₂z + b₂)."""
        del t, p
        return -self.map_z.adjoint(self._sigma_z()(self.map_z.affine(z, self.bias_z)))

    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return H(z, p), (batch,)."""
        del t
        z, p = halves(x)
        kinetic = self.activation.antiderivative(self.map_p.affine(p, self.bias_p))
        potential = self._sigma_z().antiderivative(self.map_z.affine(z, self.bias_z))
        return kinetic.flatten(1).sum(dim=1) + potential.flatten(1).sum(dim=1)

    def equivariant(self) -> Equivariant | None:
        """Return what f commutes with."""
        return phase_space(
            pulled_back(self.map_p.equivariant(), self.activation),
            pulled_back(self.map_z.equivariant(), self._sigma_z()),
        )

    def lipschitz(self) -> Tensor:
        """Return L."""
        return largest(*self._ranges())

    def one_sided_lipschitz(self) -> Tensor:
        """Return a bound of ν."""
        return one_sided(*self._ranges())

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        slopes = (*slope_premises(self.activation), *slope_premises(self._sigma_z()))
        maps = (self.map_p, self.map_z)
        sizes = tuple(kind(map) for map in maps for kind in (NormAtMost, AdjointOf))
        return (*slopes, *sizes)

    def why(self) -> str:
        """Return the theorem, in words."""
        return "antidiagonal Jacobian: L = max|σ'| ‖A‖² of the larger half (section 2.1.2)"

    def _ranges(self) -> tuple[Range, Range]:
        """Return bounds of A₁*D₁A₁ and A₂*D₂A₂."""
        return (
            hessian_range(self.activation.slopes(), self.map_p.norm_bound()),
            hessian_range(self._sigma_z().slopes(), self.map_z.norm_bound()),
        )

    def _sigma_z(self) -> Activation:
        return self.activation if self.activation_z is None else self.activation_z


Energy = Callable[[Tensor, Tensor], Tensor]


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
        TypeError: if an energy cannot be called.
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

    def __init__(
        self,
        kinetic: Energy,
        potential: Energy,
        *,
        autonomous: bool = False,
        even_kinetic: bool = False,
    ) -> None:
        super().__init__()
        for what, arguments, energy in (
            ("kinetic", "t, p", kinetic),
            ("potential", "t, z", potential),
        ):
            require_callable("SeparableHamiltonianField", what, arguments, energy)
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
        return checked("SeparableHamiltonianField: kinetic", value, p)

    def _potential(self, t: Time, z: Tensor) -> Tensor:
        value = self.potential(time_of(t, z), z)
        return checked("SeparableHamiltonianField: potential", value, z)

    def extra_repr(self) -> str:
        """Return what was declared."""
        return f"autonomous={self.autonomous}, even_kinetic={self.reversible}"
