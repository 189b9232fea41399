"""The inverse of a bijection, as a bijection."""

from __future__ import annotations

import math
from typing import final

from torch import Tensor

from darboux.bijections._bijection import Bijection, inversion_of
from darboux.structure import (
    BiLipschitz,
    Claim,
    Claims,
    Gap,
    Invertible,
    Isometric,
    LogDeterminant,
    VolumePreserving,
)
from darboux.structure._arguments import checked

_KEPT = (Invertible, Isometric, LogDeterminant, VolumePreserving)


@final
class Inverse(Bijection):
    """φ⁻¹: forward and inverse change places, so downsampling becomes upsampling.

    Backpropagation through its forward pass differentiates the inverse of φ.

    Shapes: those of φ, the other way round.

    Source: section 4.1.3.

    Args:
        bijection: φ.

    Raises:
        TypeError: if φ is no bijection.

    Example:
        >>> import torch, darboux as dx
        >>> Inverse(dx.bijections.Haar(2))(torch.ones(1, 4, 3, 3)).shape
        torch.Size([1, 1, 6, 6])
    """

    stacks = True  # where φ is a chain that returns several tensors

    @checked
    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection
        self.context_features = bijection.context_features

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return φ⁻¹(x)."""
        return self.bijection.inverse(x, context)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return φ(y)."""
        return self.bijection(y, context)

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return φ⁻¹(x) and log|det Dφ⁻¹(x)|."""
        return self.bijection.inverse_and_log_det(x, context)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return φ(y) and log|det Dφ(y)|."""
        return self.bijection.forward_and_log_det(y, context)

    def inversion(self) -> Claims:
        """Return whether φ can be inverted."""
        found = inversion_of(self.bijection)
        return Claims(tuple(c for c in found if isinstance(c.structure, _KEPT)), found.gaps)

    def claims(self) -> Claims:
        """Return what φ claims and its inverse inherits; bounds (μ, L) become (1/L, 1/μ)."""
        inner = self.bijection.claims()
        gaps = [gap.under("bijection") for gap in inner.gaps]
        found: list[Claim] = []
        for claim in inner:
            if isinstance(claim.structure, _KEPT):
                found.append(claim)
            elif isinstance(claim.structure, BiLipschitz):
                bounds = _inverted(claim.structure)
                if bounds is None:
                    gaps.append(Gap("", "no Lipschitz constant: φ has no positive lower bound"))
                else:
                    found.append(Claim(bounds, claim.kind, claim.reason, claim.premises))
        return Claims(tuple(found), tuple(gaps))


def _inverted(bounds: BiLipschitz) -> BiLipschitz | None:
    """Return (1/L, 1/μ), rounded outwards, or None where μ is 0 or its inverse overflows."""
    if not bounds.lower > 0:
        return None
    if bounds.lower == bounds.upper == 1:
        return bounds
    high = math.nextafter(1 / bounds.lower, math.inf)
    return BiLipschitz(max(0.0, math.nextafter(1 / bounds.upper, 0.0)), high)
