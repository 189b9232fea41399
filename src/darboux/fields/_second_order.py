"""The second-order field z̈ = -A*σ(Az + b)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.activations import Activation
from darboux.fields._checks import require_conservative, slope_premises
from darboux.fields._equivariance import phase_space, pulled_back
from darboux.fields._field import Time
from darboux.fields._phase_space import CanonicalPhaseField, SeparablePhaseField, halves
from darboux.fields._shears import Range, hessian_range, largest, one_sided
from darboux.linear import LinearMap
from darboux.structure import AdjointOf, Equivariant, NormAtMost, Premise


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
        return largest(*self._ranges())

    def one_sided_lipschitz(self) -> Tensor:
        """Return a bound of ν."""
        return one_sided(*self._ranges())

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        return (*slope_premises(self.activation), NormAtMost(self.map), AdjointOf(self.map))

    def why(self) -> str:
        """Return the theorem, in words."""
        return "antidiagonal Jacobian: L = max(1, max|σ'| ‖A‖²) (section 2.1.2)"

    def _ranges(self) -> tuple[Range, Range]:
        """Return bounds of the identity and of A*DA."""
        potential = hessian_range(self.activation.slopes(), self.map.norm_bound())
        one = torch.ones_like(potential[1])
        return (one, one), potential
