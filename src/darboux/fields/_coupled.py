"""The coupled field of Haber and Ruthotto, which is not Hamiltonian."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.activations import Activation
from darboux.fields._field import Time
from darboux.fields._layers import activated, largest_slope, phase_space, slope_premises
from darboux.fields._phase_space import SeparablePhaseField
from darboux.linear import LinearMap, Transposed
from darboux.linear._symmetries import adjoint_symmetry, shifted
from darboux.structure import Equivariant, Premise, adjoint_of, norm_at_most
from darboux.structure._arguments import checked


@final
class CoupledField(SeparablePhaseField):
    """The "Hamiltonian-inspired" field ż = σ(Kp + b), ṗ = -σ(K*z + c): two shears.

    σ(Kp + b) is no gradient unless K is special, so there is **no** Hamiltonian and steps
    are not symplectic. What remains is that each half moves by what the other half says:
    volume is preserved, and where σ is odd and b = 0 the field is reversible under p -> -p.

    The Jacobian is [[0, D₁K], [-D₂K*, 0]] with diagonals of slopes in [l, u], so that

        L <= max|σ'| ‖K‖,    ν = ½ ‖D₁K - KD₂‖ <= ½ (u - l) ‖K‖ for elementwise σ.

    Shapes: the state (z, p) is (batch, 2 features, *space); K maps features to features.

    Source: section 2.1.2; Haber and Ruthotto 2017.

    Args:
        map: the square linear map K.
        activation: σ.
        momentum_bias: whether there is a b.

    Raises:
        ValueError: if the map is not square.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.CoupledField(dx.linear.Dense(2, 2), dx.activations.Tanh())
        >>> field(0.0, torch.zeros(3, 4)).shape, field.canonical, field.divergence_free
        (torch.Size([3, 4]), False, True)
    """

    autonomous = True

    @checked
    def __init__(
        self, map: LinearMap, activation: Activation, *, momentum_bias: bool = True
    ) -> None:
        super().__init__()
        if map.in_features != map.out_features:
            msg = (
                "CoupledField: expected a map from features to as many, since K takes momenta to "
                f"positions; got {map.in_features} -> {map.out_features}. Use a square map, or "
                "HamiltonianField, whose maps may be rectangular."
            )
            raise ValueError(msg)
        self.map = map
        self.activation = activation
        self.bias_p: nn.Parameter | None = map.bias() if momentum_bias else None
        self.bias_z = Transposed(map).bias()  # added to K*z, so it comes from K*
        self.reversible = activation.odd and not momentum_bias

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return σ(Kp + b)."""
        del t, z  # autonomous and separable
        return self.activation(self.map.affine(p, self.bias_p))

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return -σ(K*z + c)."""
        del t, p
        return -self.activation(self.map.adjoint(z) + self._shift())

    def _shift(self) -> Tensor:
        """Return what c adds to K*z."""
        symmetry = adjoint_symmetry(self.map.equivariant())
        return self.bias_z if symmetry is None else shifted(self.bias_z, symmetry, self.map.dim)

    def equivariant(self) -> Equivariant | None:
        """Return what f commutes with."""
        return phase_space(
            activated(self.map.equivariant(), self.activation),
            activated(adjoint_symmetry(self.map.equivariant()), self.activation),
        )

    def lipschitz(self) -> Tensor:
        """Return L."""
        return largest_slope(self.activation) * self.map.norm_bound()

    def one_sided_lipschitz(self) -> Tensor:
        """Return a bound of ν."""
        if not self.activation.separable:  # D₁ and D₂ are no diagonals
            return self.lipschitz()
        lower, upper = self.activation.slopes()
        return 0.5 * (upper - lower) * self.map.norm_bound()

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        return (*slope_premises(self.activation), norm_at_most(self.map), adjoint_of(self.map))

    def why(self) -> str:
        """Return the theorem, in words."""
        return "antidiagonal Jacobian: L = max|σ'| ‖K‖ (section 2.1.2)"
