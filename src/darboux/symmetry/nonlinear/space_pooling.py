"""The mean over all pixels."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.structure import Claim, Claims, Kind, Lipschitz
from darboux.symmetry.feature import Feature
from darboux.symmetry.nonlinear.claims import equivariant_claim


@final
class SpacePooling(nn.Module):
    """The mean over all pixels, from images to vectors of the same fields.

    Moving pixels does not change it, so only ρ(g) remains. It has norm 1/√P ≤ 1 for P pixels.

    Shapes: (batch, channels, *space) -> (batch, channels).

    Source: section 5.1.3.

    Args:
        feature: the type of x, and of the result.

    Raises:
        ValueError: if x has no pixels, or other channels than the feature.

    Example:
        >>> import torch
        >>> from darboux.symmetry import Cyclic
        >>> SpacePooling(Feature(Cyclic(4), ["trivial"]))(torch.arange(4.0).reshape(1, 1, 2, 2))
        tensor([[1.5000]])
    """

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
