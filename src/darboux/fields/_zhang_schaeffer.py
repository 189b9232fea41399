"""The two-map field of equation (15)."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn.utils import parametrize

from darboux.activations import Activation
from darboux.fields._field import Time, VectorField
from darboux.fields._gradient import GradientField
from darboux.fields._layers import activated, endomorphism, largest_slope, slope_premises
from darboux.linear import LinearMap, Nonnegative
from darboux.linear._symmetries import product_symmetry
from darboux.structure import Equivariant, Kind, Premise, nonnegative_entries, norm_at_most
from darboux.structure._arguments import checked


@final
class ZhangSchaefferField(VectorField):
    """The field of Zhang and Schaeffer, f(z) = -A2 σ(A1 z + b1) + b2.

    In general L = max|σ'| ‖A1‖ ‖A2‖, so that a flow grows at most like e^{LT}. Two
    special cases are stable:

    - A1 = A, A2 = A*, b2 = 0 is equation (16): `ZhangSchaefferField.symmetric`
      returns that `GradientField`;
    - A2 with nonnegative entries and σ >= 0, stepped by
      `darboux.integrators.PostActivation`: for z >= 0 every entry obeys
      0 <= z' <= z + h b2⁺, so norms grow by at most h ‖b2⁺‖ a step: linear growth.
      Constrain A2 by ``parametrize.register_parametrization(map_2, "weight",
      dx.linear.Nonnegative())``.

    Shapes: z is (batch, features, *space); A1 maps features to hidden features, A2 back.

    Source: section 2.1.1, equation (15); Zhang and Schaeffer 2020.

    Args:
        map_1: the inner map A1.
        activation: σ.
        map_2: the outer map A2.

    Raises:
        ValueError: if the maps do not fit together.

    Example:
        >>> import torch, darboux as dx
        >>> one, two = dx.linear.Dense(4, 6), dx.linear.Dense(6, 4)
        >>> field = dx.fields.ZhangSchaefferField(one, dx.activations.ReLU(), two)
        >>> field(0.0, torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    autonomous = True

    @checked
    def __init__(self, map_1: LinearMap, activation: Activation, map_2: LinearMap) -> None:
        super().__init__()
        there, back = (
            (map_1.in_features, map_1.out_features),
            (map_2.out_features, map_2.in_features),
        )
        if there != back:
            msg = (
                "ZhangSchaefferField: expected A2 to map back where A1 comes from; got "
                f"A1: {there[0]} -> {there[1]}, A2: {back[1]} -> {back[0]}."
            )
            raise ValueError(msg)
        self.map_1 = map_1
        self.activation = activation
        self.map_2 = map_2
        self.bias_1 = map_1.bias()
        self.bias_2 = map_2.bias()

    @classmethod
    def symmetric(cls, map: LinearMap, activation: Activation) -> GradientField:
        """Return the stable case A1 = A, A2 = A*, b2 = 0, which is equation (16)."""
        return GradientField(map, activation, metric="norm")

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        del t  # autonomous
        y = self.activation(self.map_1.affine(z, self.bias_1))
        return self.map_2.shift(self.bias_2) - self.map_2(y)

    def equivariant(self) -> Equivariant | None:
        """Return what f commutes with."""
        return endomorphism(
            product_symmetry(
                [self.map_2.equivariant(), activated(self.map_1.equivariant(), self.activation)]
            )
        )

    def lipschitz(self) -> Tensor:
        """Return L."""
        slope = largest_slope(self.activation)
        return slope * self.map_1.norm_bound() * self.map_2.norm_bound()

    def one_sided_lipschitz(self) -> Tensor:
        """Return a bound of ν."""
        return self.lipschitz()

    def growth(self) -> tuple[Tensor, Kind] | None:
        """Return (‖b2⁺‖, kind) where A2 >= 0 and σ >= 0 hold, else None."""
        kind = self._sign()
        if kind is None or not self.activation.nonnegative:
            return None
        return self.map_2.shift(self.bias_2.detach()).double().clamp(min=0).norm(), kind

    def _sign(self) -> Kind | None:
        """Return how A2 >= 0 is known: by a constraint, by looking, or not at all."""
        if parametrize.is_parametrized(self.map_2, "weight"):
            constraints = self.map_2.get_submodule("parametrizations.weight")
            if isinstance(list(constraints.children())[-1], Nonnegative):
                return Kind.CONSTRUCTION
        weight = getattr(self.map_2, "weight", None)
        return Kind.BOUND if weight is not None and bool((weight >= 0).all()) else None

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        slopes = slope_premises(self.activation)
        norms = (*slopes, norm_at_most(self.map_1), norm_at_most(self.map_2))
        return norms if self.growth() is None else (*norms, nonnegative_entries(self.map_2))

    def why(self) -> str:
        """Return the theorem, in words."""
        return "L = max|σ'| ‖A1‖ ‖A2‖ (section 2.1.1)"
