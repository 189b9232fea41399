"""Fields that begin at zero."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from darboux.structure import Claim, Claims, Equivariant, Isometric, Kind
from darboux.symmetry.feature import Feature


@final
class MoreFields(nn.Module):
    """The isometry x -> (x, 0) into a feature that begins with the fields of x.

    A small kernel takes scalars to low frequencies only; fields of higher ones begin at zero.

    Shapes: (batch, source.channels, *space) -> (batch, target.channels, *space).

    Source: section 5.1.2.

    Args:
        source: the type of x.
        target: the type of the result; its first fields are those of the source.

    Raises:
        ValueError: if they are not.

    Example:
        >>> import torch, darboux as dx
        >>> group = dx.symmetry.SO2()
        >>> few, more = (dx.symmetry.Feature(group, names) for names in ([0], [0, 3]))
        >>> MoreFields(few, more)(torch.ones(1, 1))
        tensor([[1., 0., 0.]])
    """

    def __init__(self, source: Feature, target: Feature) -> None:
        super().__init__()
        if source.group != target.group or target.fields[: len(source.fields)] != source.fields:
            msg = (
                f"MoreFields: expected a target that begins with {source.describe()}; got "
                f"{target.describe()}. Put the new fields last."
            )
            raise ValueError(msg)
        self.source, self.target = source, target

    def forward(self, x: Tensor) -> Tensor:
        """Return (x, 0)."""
        more = self.target.channels - self.source.channels
        return F.pad(x, (*(0,) * (2 * x.ndim - 4), 0, more))

    def claims(self) -> Claims:
        """Return that the map is isometric and equivariant."""
        reason = "the fields of x are kept, and zero is zero for every g"
        type_ = Equivariant(self.source.group, self.source, self.target, translations=(1, 1))
        return Claims(
            (
                Claim(Isometric(), Kind.CONSTRUCTION, reason),
                Claim(type_, Kind.CONSTRUCTION, reason),
            )
        )

    def extra_repr(self) -> str:
        """Return the features."""
        return f"{self.source!r} -> {self.target!r}"
