"""A linear map with a bias."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.linear import LinearMap
from darboux.structure import Claim, Claims, claims_of


@final
class Affine(nn.Module):
    """The map x -> A x + b, with everything that A claims: a shift changes no distance.

    The bias is what A allows: for an equivariant map one number for each invariant vector of
    its target, so that the sum stays equivariant.

    Shapes: those of A.

    Source: sections 2.1.1 and 5.1.

    Args:
        map: A.

    Example:
        >>> import torch, darboux as dx
        >>> feature = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
        >>> affine = Affine(dx.symmetry.EquivariantDense(feature, feature))
        >>> affine.bias.shape, affine(torch.ones(2, 4)).shape
        (torch.Size([1]), torch.Size([2, 4]))
    """

    def __init__(self, map: LinearMap) -> None:
        super().__init__()
        self.map = map
        self.bias = map.bias()

    def forward(self, x: Tensor) -> Tensor:
        """Return A x + b."""
        return self.map.affine(x, self.bias)

    def claims(self) -> Claims:
        """Return what A claims, about differences and symmetry."""
        known = claims_of(self.map)
        kept = tuple(
            Claim(c.structure, c.kind, f"a shift by an allowed b: {c.reason}", c.premises)
            for c in known
        )
        return Claims(kept, known.gaps)
