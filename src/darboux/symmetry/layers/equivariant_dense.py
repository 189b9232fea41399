"""The equivariant dense map."""

from __future__ import annotations

from typing import final

from darboux.linear import Stencil
from darboux.symmetry.feature import Feature
from darboux.symmetry.layers.equivariant_map import EquivariantMap


@final
class EquivariantDense(EquivariantMap):
    """The dense map A x with A ρ₁(g) = ρ₂(g) A for all g of a group.

    Its weights are coefficients of a basis of all such matrices; by Schur's lemma there are as
    many as the fields share irreducible parts. Biases are invariant vectors.

    Shapes: x is (batch, source.channels), A x is (batch, target.channels).

    Source: section 5.1.2.

    Args:
        source: how x transforms.
        target: how A x transforms.

    Raises:
        TypeError: if something else than features is given.
        ValueError: if the groups differ, or a field of the target could only be zero.

    Example:
        >>> import torch, darboux as dx
        >>> feature = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
        >>> dense = dx.symmetry.EquivariantDense(feature, feature)
        >>> dense.weight.shape, dense(torch.ones(2, 4)).shape
        (torch.Size([4]), torch.Size([2, 4]))
    """

    def __init__(self, source: Feature, target: Feature) -> None:
        super().__init__(source, target, kernel=1, dim=0, translations=(1, 1))

    def stencil(self) -> Stencil:
        """Return the matrix."""
        return Stencil(self.full_kernel(), (), "zeros")
