"""The residual field of equation (8)."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.activations import Activation
from darboux.fields._field import Prepared, Time, VectorField
from darboux.fields._layers import (
    activated,
    endomorphism,
    largest_slope,
    require_square,
    slope_premises,
)
from darboux.linear import LinearMap
from darboux.structure import Equivariant, Premise, norm_at_most
from darboux.structure._arguments import checked


@final
class ResidualField(VectorField):
    """The field of a residual network, f(z) = σ(A z + b).

    L = max|σ'| ‖A‖; the one-sided constant is bounded by L only. Nothing makes this
    field contractive: it includes stable and unstable systems.

    Shapes: z is (batch, features, *space), A maps features to features.

    Source: section 1.2, equation (8); section 2.1.

    Args:
        map: the square linear map A.
        activation: σ.

    Raises:
        ValueError: if the map is not square.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh())
        >>> field(0.0, torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    autonomous = True

    @checked
    def __init__(self, map: LinearMap, activation: Activation) -> None:
        super().__init__()
        require_square("ResidualField", map)
        self.map = map
        self.activation = activation
        self.bias = map.bias()

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        del t  # autonomous
        return self.activation(self.map.affine(z, self.bias))

    def prepare(self) -> Prepared:
        """Return the field with its map prepared for the present parameters."""
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
        return self.lipschitz()

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        return (*slope_premises(self.activation), norm_at_most(self.map))

    def why(self) -> str:
        """Return the theorem, in words."""
        return "L = max|σ'| ‖A‖ (section 2.1)"
