"""The Hamiltonian fields of Chang et al., and of second order: two shears of one layer each."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.activations import Activation
from darboux.fields._field import Time
from darboux.fields._layers import phase_space, pulled_back, require_conservative, slope_premises
from darboux.fields._phase_space import CanonicalPhaseField, SeparablePhaseField, halves
from darboux.linear import LinearMap
from darboux.structure import Equivariant, Premise, adjoint_of, norm_at_most
from darboux.structure._arguments import checked

Range = tuple[Tensor, Tensor]


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

    @checked
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
        _require_one_space("HamiltonianField", map_p, map_z)
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
        return _largest(*self._ranges())

    def one_sided_lipschitz(self) -> Tensor:
        """Return a bound of ν."""
        return _one_sided(*self._ranges())

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        slopes = (*slope_premises(self.activation), *slope_premises(self._sigma_z()))
        maps = (self.map_p, self.map_z)
        sizes = tuple(kind(map) for map in maps for kind in (norm_at_most, adjoint_of))
        return (*slopes, *sizes)

    def why(self) -> str:
        """Return the theorem, in words."""
        return "antidiagonal Jacobian: L = max|σ'| ‖A‖² of the larger half (section 2.1.2)"

    def _ranges(self) -> tuple[Range, Range]:
        """Return bounds of A₁*D₁A₁ and A₂*D₂A₂."""
        return (
            _hessian_range(self.activation.slopes(), self.map_p.norm_bound()),
            _hessian_range(self._sigma_z().slopes(), self.map_z.norm_bound()),
        )

    def _sigma_z(self) -> Activation:
        return self.activation if self.activation_z is None else self.activation_z


@final
class SecondOrderField(SeparablePhaseField, CanonicalPhaseField):
    """The field z̈ = -A*σ(Az + b) on phase space: ż = p, ṗ = -A*σ(Az + b).

    H(z, p) = ½‖p‖² + 1ᵀγ(Az + b) with γ' = σ. It is the case σ₁(s) = s, A₁ = I, b₁ = 0 of
    `HamiltonianField`, hence always reversible. With Q = A*DA the Jacobian is
    [[0, I], [-Q, 0]]:

        L <= max(1, max|σ'| ‖A‖²),    ν = ½ ‖I - Q‖.

    Shapes: the state (z, p) is (batch, 2 features, *space); A maps features to any number.

    Source: section 2.1.2; Ruthotto and Haber 2020.

    Args:
        map: the linear map A.
        activation: σ, elementwise.

    Raises:
        TypeError: if σ mixes channels.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> field(0.0, torch.tensor([[0.0, 0.0, 3.0, 4.0]]))[:, :2].tolist()
        [[3.0, 4.0]]
    """

    autonomous = True
    reversible = True

    @checked
    def __init__(self, map: LinearMap, activation: Activation) -> None:
        super().__init__()
        require_conservative("SecondOrderField", activation)
        self.map = map
        self.activation = activation
        self.bias = map.bias()

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return p."""
        del t, z  # autonomous and separable
        return p

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return -A*σ(Az + b)."""
        del t, p
        return -self.map.adjoint(self.activation(self.map.affine(z, self.bias)))

    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return H(z, p), (batch,)."""
        del t
        z, p = halves(x)
        potential = self.activation.antiderivative(self.map.affine(z, self.bias))
        return 0.5 * p.square().flatten(1).sum(dim=1) + potential.flatten(1).sum(dim=1)

    def equivariant(self) -> Equivariant | None:
        """Return what f commutes with."""
        return phase_space(*(pulled_back(self.map.equivariant(), self.activation),) * 2)

    def lipschitz(self) -> Tensor:
        """Return L."""
        return _largest(*self._ranges())

    def one_sided_lipschitz(self) -> Tensor:
        """Return a bound of ν."""
        return _one_sided(*self._ranges())

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        return (*slope_premises(self.activation), norm_at_most(self.map), adjoint_of(self.map))

    def why(self) -> str:
        """Return the theorem, in words."""
        return "antidiagonal Jacobian: L = max(1, max|σ'| ‖A‖²) (section 2.1.2)"

    def _ranges(self) -> tuple[Range, Range]:
        """Return bounds of the identity and of A*DA."""
        potential = _hessian_range(self.activation.slopes(), self.map.norm_bound())
        one = torch.ones_like(potential[1])
        return (one, one), potential


def _require_one_space(name: str, map_p: LinearMap, map_z: LinearMap) -> None:
    """Refuse two maps of which one cannot act on positions and the other on momenta."""
    found = [(map.in_features, map.dim) for map in (map_p, map_z)]
    if found[0] != found[1]:
        msg = (
            f"{name}: expected maps of equal in_features and dim, since there are as many "
            f"momenta as positions; got in_features {found[0][0]} and {found[1][0]}, dim "
            f"{found[0][1]} and {found[1][1]}. Use two maps of one space; their out_features "
            "are free."
        )
        raise ValueError(msg)


def _hessian_range(slopes: tuple[float, float], norm: Tensor) -> Range:
    """Return (l, u) with l <= A*DA <= u for every diagonal D of slopes, ‖A‖ <= norm."""
    # A*DA is semidefinite where the slopes have one sign, whatever the kernel of A.
    square, zero = norm.square(), torch.zeros_like(norm)  # 0 · ∞ would be no number
    least, most = slopes
    return (least * square if least < 0 else zero), (most * square if most > 0 else zero)


def _largest(*ranges: Range) -> Tensor:
    """Return max ‖P‖, the norm of [[0, P₁], [-P₂, 0]], from l <= P_i <= u."""
    ends = [torch.maximum(-lower, upper) for lower, upper in ranges]
    return torch.stack(ends).amax()


def _one_sided(first: Range, second: Range) -> Tensor:
    """Return ν of [[0, P], [-Q, 0]], P and Q symmetric: its symmetric part is ½ (P - Q)."""
    # ν = ½ ‖P - Q‖ <= ½ max(u_P - l_Q, u_Q - l_P).
    return 0.5 * torch.maximum(first[1] - second[0], second[1] - first[0])
