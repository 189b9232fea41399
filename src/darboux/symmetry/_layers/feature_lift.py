"""Isometric lifts of scalars into features."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.linear import Stencil, StencilMap
from darboux.structure import Claim, Claims, Equivariant, Isometric, Kind, adjoint_of, isometry_of
from darboux.structure._arguments import Count, checked
from darboux.symmetry._feature import Feature, scalars
from darboux.symmetry._kernels.basis import SpaceDim


@final
class FeatureLift(StencilMap):
    """The isometric lift of scalars into a feature: channel i becomes the i-th invariant vector.

    L x = V x with the first columns of V = target.invariants(), which are orthonormal, so
    L*L = id; a scalar becomes a constant on a regular field, for instance. It has no
    parameters. Between it and its adjoint (`darboux.Lifted`) a nonexpansive equivariant map
    stays both.

    Shapes: x is (batch, channels, *space), L x is (batch, target.channels, *space).

    Source: sections 2.2.1 and 5.1.3.

    Args:
        channels: the number of scalars.
        target: the feature, with at least as many invariant vectors.
        dim: spatial axes, 0 to 3.

    Raises:
        ValueError: if the target has too few invariant vectors.

    Example:
        >>> import torch, darboux as dx
        >>> feature = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
        >>> lift, x = FeatureLift(1, feature, dim=2), torch.ones(1, 1, 2, 2)
        >>> lift(x)[0, :, 0, 0].tolist(), bool((lift.adjoint(lift(x)) == x).all())
        ([0.5, 0.5, 0.5, 0.5], True)
    """

    @checked
    def __init__(
        self,
        channels: Count,
        target: Feature,
        *,
        dim: SpaceDim,
    ) -> None:
        super().__init__()
        vectors = target.invariants()
        if channels > vectors.shape[1]:
            msg = (
                f"FeatureLift: expected 1 to {vectors.shape[1]} channels, the number of invariant "
                f"vectors of {target.describe()}; got {channels}. Use more fields."
            )
            raise ValueError(msg)
        self.source = scalars(target.group, channels)
        self.target = target
        self.in_features, self.out_features = channels, target.channels
        self.dim = dim
        self._exact = _signed(vectors[:, :channels])
        self.unit = nn.Buffer(torch.ones(()), persistent=False)  # dtype and device

    def stencil(self) -> Stencil:
        """Return V at one tap."""
        weight = self._exact.to(self.unit).reshape(*self._exact.shape, *(1,) * self.dim)
        return Stencil(weight, (0,) * self.dim, "circular")

    def equivariant(self) -> Equivariant:
        """Return what L commutes with."""
        return Equivariant(self.target.group, self.source, self.target, translations=(1, 1))

    def claims(self) -> Claims:
        """Return that the lift is isometric, and equivariant."""
        reason = "the columns are orthonormal invariant vectors"
        premises = (adjoint_of(self), isometry_of(self))
        isometric = Claim(Isometric(), Kind.CONSTRUCTION, reason, premises)
        return Claims((isometric, Claim(self.equivariant(), Kind.CONSTRUCTION, reason)))

    def extra_repr(self) -> str:
        """Return the features."""
        return f"{self.source!r} -> {self.target!r}"


def _signed(vectors: Tensor) -> Tensor:
    """Return the columns with such signs that their sums are positive."""
    return vectors * torch.where(vectors.sum(dim=0) < 0, -1.0, 1.0)
