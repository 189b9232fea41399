"""The largest response over all scales."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.structure import Claim, Claims, Kind, Lipschitz
from darboux.symmetry.scale.scalings import Scalings


@final
class ScalePooling(nn.Module):
    """The maximum over the scales of every field: y_c(p) = max_k x_{c,k}(p).

    What was found at one scale is found at the next one if the image is dilated, so that y is
    dilated only: y is a scalar, as long as the maximum is not at an end of the window. A
    maximum is nonexpansive.

    Shapes: (batch, fields·scales, *space) -> (batch, fields, *space).

    Source: slides, symmetry.

    Args:
        scales: how many scales, or `Scalings`.

    Raises:
        ValueError: if the number of scales is not positive, or does not divide the channels.

    Example:
        >>> import torch
        >>> ScalePooling(2)(torch.tensor([[1.0, 3.0, 5.0, 4.0]]))
        tensor([[3., 5.]])
    """

    def __init__(self, scales: int | Scalings) -> None:
        super().__init__()
        self.scalings = scales if isinstance(scales, Scalings) else Scalings(count=scales)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maxima."""
        return self.scalings.split(x).amax(dim=2)

    def claims(self) -> Claims:
        """Return that a maximum is nonexpansive."""
        reason = "|max x - max y| <= max |x - y| in every field"
        return Claims((Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason),))

    def extra_repr(self) -> str:
        """Return the number of scales."""
        return str(self.scalings.count)
