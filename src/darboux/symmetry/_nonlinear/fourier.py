"""Pointwise activations of band-limited functions on the group."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from darboux.activations import Activation
from darboux.activations._activation import slope_claims
from darboux.structure import Claims, Gap, Law
from darboux.structure._arguments import checked
from darboux.structure._constants import HasConstants
from darboux.symmetry._feature import Feature
from darboux.symmetry._limits import Rotations
from darboux.symmetry._nonlinear.common import (
    equivariant_claim,
    exact,
    join_fields,
    joined,
    one_function,
    split_fields,
    value,
)
from darboux.symmetry._nonlinear.sampling import planar, restricted, synthesis


@final
class FourierActivation(Activation, HasConstants):
    """A pointwise activation of the function that a field is: x_f -> Fᵀ σ(√M F x_f)/√M.

    The field is a band-limited function on the group, √M F gives its values at equispaced
    rotations (and reflections), σ acts on each, and Fᵀ/√M projects back. FᵀF = I, so the
    Jacobian Fᵀ diag(σ') F is symmetric with eigenvalues in the slope range of σ: the map is
    conservative, and 1-Lipschitz where |σ'| <= 1. It commutes exactly with the elements that
    permute the samples, and with no others.

    Shapes: (batch, channels, *space) -> the same.

    Source: section 5.1.3; Cohen and others 2018, Spherical CNNs; Poulenard and Guibas 2021.

    Args:
        feature: the type of x, of fields such as `band_limited` makes.
        activation: σ, one function of one real variable.
        samples: the number of rotations, at least 2K + 1 for frequencies up to K and at most
            512; a multiple of 4 for quarter turns of images.

    Raises:
        ValueError: if there are too few samples, a field is no band-limited function, or σ is
            no single function of one real variable.
        TypeError: for groups other than SO2, O2, Cyclic and Dihedral, or if an argument is of
            another type.

    Example:
        >>> from darboux.activations import ReLU
        >>> from darboux.symmetry import SO2
        >>> from darboux.symmetry import band_limited
        >>> feature = Feature(SO2(), band_limited(SO2(), 1))
        >>> FourierActivation(feature, ReLU(), samples=4)(torch.tensor([[1.0, 0.0, 0.0]]))
        tensor([[1., 0., 0.]])
    """

    separable = False
    conservative = True

    @checked
    def __init__(self, feature: Feature, activation: Activation, *, samples: Rotations) -> None:
        super().__init__()
        planar(feature.group)
        one_function("FourierActivation", activation)
        self.feature = feature
        self.activation = activation
        self.samples = samples
        self.odd = activation.odd
        self.runs = tuple((count, kind.size) for kind, count in feature.runs())
        for k, (kind, _) in enumerate(feature.runs()):
            self.hold(f"synthesis_{k}", exact(synthesis(kind, samples)))
        self.sampled = restricted(feature, samples)

    def forward(self, x: Tensor) -> Tensor:
        """Return the fields of the activated functions."""
        self.feature.check(x)
        parts = []
        for values, matrix in self._values(x):
            active = self.activation(values.flatten(1, 2)).reshape(values.shape)
            weight = matrix / len(matrix) ** 0.5
            parts.append(torch.einsum("md,bcm...->bcd...", weight.to(active.dtype), active))
        return join_fields(parts)

    def matrices(self, dtype: torch.dtype) -> list[Tensor]:
        """Return F of each run of equal fields, (M, size)."""
        return [value(getattr(self, f"synthesis_{k}"), dtype) for k in range(len(self.runs))]

    def slopes(self) -> tuple[float, float]:
        """Return those of σ, between which the eigenvalues of the symmetric Jacobian lie."""
        return self.activation.slopes()

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return Γ with ∇ΣΓ = this map: the mean of γ over the samples, in the first channel.

        The other channels of the field are zero.
        """
        found = []
        for (values, matrix), (_, size) in zip(self._values(x), self.runs, strict=True):
            energy = self.activation.antiderivative(values.flatten(1, 2)).reshape(values.shape)
            mean = energy.sum(2, keepdim=True) / len(matrix)
            found.append(functional.pad(mean, [0, 0] * (x.ndim - 2) + [0, size - 1]).flatten(1, 2))
        return joined(found)

    def commutes(self, law: Law) -> bool:
        """Return whether the law is that of the elements that permute the samples."""
        return law == self.sampled

    def tie(self, rows: Tensor) -> Tensor:
        """Return the largest entry of each field, for all its channels."""
        return self.feature.tie(rows)

    def claims(self) -> Claims:
        """Return what the slopes prove, and `Equivariant` under the sampled subgroup."""
        known = slope_claims(self.activation, *self.slopes())
        reason = "sampled elements permute the samples"
        found = equivariant_claim(self.sampled, self.sampled, reason)
        group, sampled = (f.group.describe() for f in (self.feature, self.sampled))
        gap = Gap("", f"commutes with {sampled}, which permutes the samples, not all of {group}")
        gaps = () if self.sampled.group == self.feature.group else (gap,)
        return Claims((*known.claims, found), gaps)

    def extra_repr(self) -> str:
        """Return feature and samples."""
        return f"{self.feature!r}, samples={self.samples}"

    def _values(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the values (batch, count, M, *space) of each run, and F."""
        pairs = zip(split_fields(x, self.runs), self.matrices(x.dtype), strict=True)
        return [
            (torch.einsum("md,bcd...->bcm...", matrix * len(matrix) ** 0.5, part), matrix)
            for part, matrix in pairs
        ]
