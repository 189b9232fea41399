"""The antisymmetric field of section 2.1.1."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.activations import Activation, Identity
from darboux.fields._field import Prepared, Time, VectorField
from darboux.fields._layers import (
    activated,
    endomorphism,
    largest_slope,
    require_separable,
    require_square,
    slope_premises,
)
from darboux.linear import LinearMap, SkewPart
from darboux.structure import Equivariant, Premise, adjoint_of, cocoercive_field, norm_at_most
from darboux.structure._arguments import NonNegative, checked


@final
class AntisymmetricField(VectorField):
    """The field of Haber and Ruthotto, f(z) = σ((S - S* - γ I) z + b).

    With K = S - S* and slopes of σ in [l, u] the symmetric part of D (K - γ I), D a
    diagonal of slopes, is at most ½ (u - l) ‖K‖ - γ l, because ½ (d_i - d_j) k_ij is
    what a nonlinearity leaves of a skew matrix. Hence

        ν <= ½ (u - l) min(‖K‖₂, ‖K‖_∞) - γ l,

    which gives no credit for γ where l = 0: eigenvalues near the imaginary axis make
    a stable-looking Jacobian, not a contractive network. Only with the identity is
    the field cocoercive, ν̄ = -γ / (‖K‖² + γ²).

    Shapes: z is (batch, features, *space), S maps features to features.

    Source: section 2.1.1; Haber and Ruthotto 2017.

    Args:
        map: the square linear map S.
        activation: σ, elementwise.
        damping: γ >= 0.

    Raises:
        ValueError: if the map is not square or γ is negative.
        TypeError: if σ mixes channels.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.AntisymmetricField(dx.linear.Dense(4, 4), dx.activations.Tanh())
        >>> bool(field.one_sided_lipschitz() < field.lipschitz())
        True
    """

    autonomous = True

    @checked
    def __init__(
        self, map: LinearMap, activation: Activation, *, damping: NonNegative = 0.0
    ) -> None:
        super().__init__()
        require_square("AntisymmetricField", map)
        require_separable("AntisymmetricField", activation)
        self.map = SkewPart(map, damping=damping)
        self.activation = activation
        self.damping = float(damping)
        self.bias = map.bias()

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        del t  # autonomous
        return self.activation(self.map.affine(z, self.bias))

    def prepare(self) -> Prepared:
        """Return the field with W - Wᵀ - γI computed once."""
        affine, activation = self.map.prepare(self.bias), self.activation
        return lambda t, z: activation(affine(z))

    def equivariant(self) -> Equivariant | None:
        """Return what f commutes with."""
        return endomorphism(activated(self.map.equivariant(), self.activation))

    def lipschitz(self) -> Tensor:
        """Return L."""
        return largest_slope(self.activation) * self.map.norm_bound()

    def one_sided_lipschitz(self) -> Tensor:
        """Return a bound of ν."""
        lower, upper = self.activation.slopes()
        return 0.5 * (upper - lower) * self._skew_norm() - self.damping * lower

    def _skew_norm(self) -> Tensor:
        """Return a bound of min(‖K‖₂, ‖K‖_∞).

        K is normal with an imaginary spectrum, so ‖K - γI‖² = ‖K‖² + γ²; its diagonal
        is zero, so the absolute row sums of K - γI are those of K plus γ.
        """
        spectral = (self.map.norm_bound().square() - self.damping**2).clamp(min=0).sqrt()
        if not self.map.one_stencil:
            return spectral
        weight = self.map.stencil().weight.double()
        rows = weight.abs().flatten(1).sum(dim=1).max() - self.damping
        return torch.minimum(spectral, rows.clamp(min=0))

    def cocoercivity(self) -> Tensor | None:
        """Return ν̄, or None."""
        if not self.is_cocoercive():
            return None
        return -self.damping / self.map.norm_bound().square()

    def is_cocoercive(self) -> bool:
        """Return whether there is a ν̄."""
        return isinstance(self.activation, Identity) and self.damping != 0

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        slopes = slope_premises(self.activation)
        common = (*slopes, norm_at_most(self.map), adjoint_of(self.map))
        return (*common, cocoercive_field(self)) if self.is_cocoercive() else common

    def why(self) -> str:
        """Return the theorem, in words."""
        if not self.is_cocoercive():
            return "L = max|σ'| ‖S - S* - γI‖ (section 2.1.1)"
        return "linear dissipative field: ν̄ = -γ/(‖K‖² + γ²) (section 2.1.1)"
