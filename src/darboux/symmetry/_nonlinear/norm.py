"""The activation that shortens fields."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from darboux.activations import Activation
from darboux.activations._softplus import softplus
from darboux.structure import Averaged, Claim, Claims, Kind, Law
from darboux.structure._arguments import Within, checked
from darboux.symmetry._feature import Feature
from darboux.symmetry._nonlinear.common import (
    equivariant_claim,
    join_fields,
    size_runs,
    split_fields,
)
from darboux.symmetry._nonlinear.shrink import shrink

# With b > 0 the slope 1 + b/‖x‖ across x has no bound near 0, where the map even jumps.
_Negative = Annotated[
    float, Within("a negative number (only then slopes are bounded)", least=-1e30, below=0)
]


@final
class NormActivation(Activation):
    """The activation x_f -> max(‖x_f‖ + b_f, 0) x_f/‖x_f‖ of every field, with learned b_f < 0.

    It acts on the norm of a field and keeps its direction, so it commutes with every orthogonal
    representation. It is the gradient of Σ_f ½ max(‖x_f‖ + b_f, 0)² and the proximal map of
    -b_f ‖x_f‖, hence firmly nonexpansive: a nonlinearity for fields that pointwise ones would
    break, in networks whose theorems need slopes in [0, 1]. b_f = -softplus(raw_f) stays
    negative whatever an optimiser does.

    Shapes: (batch, channels, *space) -> the same.

    Source: section 5.1.3; Combettes and Wajs 2005 for proximal maps.

    Args:
        feature: the type of x; only the sizes of its fields matter.
        bias: b_f at the start, in the units of x.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the bias is not negative, or x has other channels than the feature.

    Example:
        >>> from darboux.symmetry import SO2
        >>> shorter = NormActivation(Feature(SO2(), ["1"]), bias=-2.5)
        >>> shorter(torch.tensor([[3.0, 4.0]])).tolist()
        [[1.5, 2.0]]
    """

    separable = False
    conservative = True
    odd = True

    @checked
    def __init__(self, feature: Feature, *, bias: _Negative = -0.1) -> None:
        super().__init__()
        self.feature = feature
        self.runs = size_runs(feature.sizes)
        raw = -bias + math.log(-math.expm1(bias))  # softplus⁻¹(-b), stable for small and large b
        self.raw = nn.Parameter(torch.full((len(feature.fields),), raw))

    @property
    def bias(self) -> Tensor:
        """The biases b_f, (fields,), all negative."""
        return -softplus(self.raw)

    def forward(self, x: Tensor) -> Tensor:
        """Return every field, shortened by -b_f."""
        self.feature.check(x)
        return shrink(x, self.bias, self.runs)

    def slopes(self) -> tuple[float, float]:
        """Return (0, 1): the Jacobian is symmetric, with eigenvalues in [0, 1].

        They are 1 along x_f and max(1 + b_f/‖x_f‖, 0) across it, or all 0.
        """
        return (0.0, 1.0)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return Γ with ∇ΣΓ = σ: ½ max(‖x_f‖ + b_f, 0)² in the first channel of f, else zeros."""
        parts = split_fields(self.forward(x), self.runs)
        energies = [0.5 * part.square().sum(2, keepdim=True) for part in parts]
        pads = [[0, 0] * (x.ndim - 2) + [0, size - 1] for _, size in self.runs]
        return join_fields([functional.pad(e, p) for e, p in zip(energies, pads, strict=True)])

    def commutes(self, law: Law) -> bool:
        """Return whether every field of the law lies inside one field of this feature."""
        if not isinstance(law, Feature) or law.channels != self.feature.channels:
            return law == self.feature
        return _ends(self.feature) <= _ends(law)

    def tie(self, rows: Tensor) -> Tensor:
        """Return the largest entry of each field, for all its channels."""
        return self.feature.tie(rows)

    def claims(self) -> Claims:
        """Return `Averaged` with α = ½, and `Equivariant`."""
        reason = "the proximal map of Σ -b_f ‖x_f‖, a convex function since b_f < 0"
        equal = "ρ(g) is orthogonal on each field, and keeps its norm"
        return Claims(
            (
                Claim(Averaged(0.5), Kind.CONSTRUCTION, reason),
                equivariant_claim(self.feature, self.feature, equal),
            )
        )

    def extra_repr(self) -> str:
        """Return the feature."""
        return repr(self.feature)


def _ends(feature: Feature) -> set[int]:
    """Return where fields end."""
    return {sum(feature.sizes[: k + 1]) for k in range(len(feature.sizes))}
