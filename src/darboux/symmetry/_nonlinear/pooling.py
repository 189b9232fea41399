"""Pooling over the group, and over all pixels."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor

from darboux.structure import Claim, Claims, Kind, Lipschitz
from darboux.structure._arguments import checked
from darboux.structure._constants import HasConstants
from darboux.structure._module import Module
from darboux.symmetry._feature import Feature, scalars
from darboux.symmetry._nonlinear.common import (
    equivariant_claim,
    exact,
    joined,
    norms,
    size_runs,
    split_fields,
    value,
)

How = Literal["max", "norm", "mean"]


@final
class GroupPooling(Module, HasConstants):
    """Pooling of every field to one number that the group leaves.

    "max" takes the largest entry of fields whose entries are permuted; "norm" the Euclidean
    norm of any field; "mean" the component ⟨u, x_f⟩ along the invariant unit vector u of a field
    that has one, for a permuted field √d times its mean. All are 1-Lipschitz.

    Shapes: (batch, channels, *space) -> (batch, fields, *space).

    Source: section 5.1.3.

    Args:
        feature: the type of x.
        how: "max", "norm" or "mean".

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if `how` is unknown, or a field does not allow it.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> pool = GroupPooling(Feature(Cyclic(3), ["regular", "regular"]))
        >>> pool(torch.tensor([[1.0, 3.0, 2.0, -1.0, -2.0, -3.0]]))
        tensor([[ 3., -1.]])
    """

    invariant: Tensor

    @checked
    def __init__(self, feature: Feature, *, how: How = "max") -> None:
        super().__init__()
        _refuse(feature, how)
        self.how = how
        self.source = feature
        self.target = scalars(feature.group, len(feature.fields))
        self.runs = size_runs(feature.sizes)
        if how == "mean":
            vectors = torch.cat([field.invariants()[:, 0] for field in feature.fields])
            self.hold("invariant", exact(vectors))

    def forward(self, x: Tensor) -> Tensor:
        """Return one number per field."""
        self.source.check(x)
        if self.how == "mean":
            vector = value(self.invariant, x.dtype).reshape(-1, *(1,) * (x.ndim - 2))
            return joined([part.sum(2) for part in split_fields(x * vector, self.runs)])
        reduce = norms if self.how == "norm" else _largest
        return joined([reduce(part) for part in split_fields(x, self.runs)])

    def claims(self) -> Claims:
        """Return `Lipschitz` with constant 1, and `Equivariant`."""
        what = {"max": "maximum", "norm": "norm", "mean": "component along a unit vector"}
        reason = f"the {what[self.how]} of a field is 1-Lipschitz"
        kept = f"every ρ(g) keeps the {what[self.how]} of a field"
        return Claims(
            (
                Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason),
                equivariant_claim(self.source, self.target, kept),
            )
        )

    def extra_repr(self) -> str:
        """Return the feature and the way."""
        return f"{self.source!r}, how={self.how!r}"


def _largest(part: Tensor) -> Tensor:
    return part.amax(2)


def _refuse(feature: Feature, how: How) -> None:
    """Refuse fields that cannot be pooled in this way."""
    for k, field in enumerate(feature.fields):
        which = f"got field {k}, {field.name} of {feature.group.describe()}"
        if how == "max" and not field.permutes:
            msg = (
                f"GroupPooling: expected fields whose entries the group permutes for how='max'; "
                f"{which}, which mixes them, so their maximum is not kept. Use how='norm'."
            )
            raise ValueError(msg)
        count = field.invariants().shape[1]
        if how == "mean" and count != 1:
            msg = (
                f"GroupPooling: expected fields with one invariant vector for how='mean'; {which}, "
                f"which has {count}. Use how='norm'."
            )
            raise ValueError(msg)


@final
class SpacePooling(Module):
    """The mean over all pixels, from images to vectors of the same fields.

    Moving pixels does not change it, so only ρ(g) remains. It has norm 1/√P ≤ 1 for P pixels.

    Shapes: (batch, channels, *space) -> (batch, channels).

    Source: section 5.1.3.

    Args:
        feature: the type of x, and of the result.

    Raises:
        TypeError: if the feature is none.
        ValueError: if x has no pixels, or other channels than the feature.

    Example:
        >>> import torch
        >>> from darboux.symmetry import Cyclic
        >>> SpacePooling(Feature(Cyclic(4), ["trivial"]))(torch.arange(4.0).reshape(1, 1, 2, 2))
        tensor([[1.5000]])
    """

    @checked
    def __init__(self, feature: Feature) -> None:
        super().__init__()
        self.feature = feature

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean over the spatial axes."""
        self.feature.check(x)
        if x.ndim == 2:
            msg = (
                f"SpacePooling: expected images (batch, channels, *space); got shape "
                f"{tuple(x.shape)}. Leave it out for vectors."
            )
            raise ValueError(msg)
        return x.flatten(2).mean(2)

    def claims(self) -> Claims:
        """Return `Lipschitz` with constant 1, and `Equivariant`."""
        reason = "the mean of P pixels has norm 1/√P <= 1"
        kept = "the mean over all pixels does not change where they are only moved"
        feature = self.feature
        return Claims(
            (
                Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason),
                equivariant_claim(feature, feature, kept, on_grid=True),
            )
        )

    def extra_repr(self) -> str:
        """Return the feature."""
        return repr(self.feature)
