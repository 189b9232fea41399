"""Inpainting: images of which some pixels are missing."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.imaging._operator import Operator, Resolvent
from darboux.structure._arguments import Count, checked


@final
class Inpainting(Operator):
    """The projection A x = m x that keeps some pixels, m in {0, 1}; others become 0.

    Its norm is 1.

    Shapes: x and A x are (batch, channels, *space).

    Source: section 3.2, inpainting.

    Args:
        mask: m, boolean, (*space) or (channels, *space) with ``dim`` axes of space.
        channels: channels of x.
        dim: axes of space; None for all axes of the mask.

    Raises:
        ValueError: if the mask is not boolean, or its shape does not fit.

    Example:
        >>> import torch, darboux as dx
        >>> half = torch.arange(16).reshape(4, 4) % 2 == 0
        >>> dx.imaging.Inpainting(half)(torch.ones(1, 1, 4, 4)).sum()
        tensor(8.)
    """

    @checked
    def __init__(self, mask: Tensor, *, channels: Count = 1, dim: Count | None = None) -> None:
        super().__init__()
        self.dim = mask.ndim if dim is None else dim
        self.in_features = self.out_features = channels
        usable_mask("Inpainting", mask, self.dim, channels)
        self.image_size = tuple(mask.shape[mask.ndim - self.dim :])
        self.unit = nn.Buffer(torch.ones(()), persistent=False)  # dtype and device
        self.mask = nn.Buffer(mask.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""
        return (self.take(x, self.in_features) * self.mask).to(x.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y = A y."""
        return self.forward(y)

    @property
    def resolvent(self) -> Resolvent | None:
        """(b, *, gamma) -> (I + γ A*A)⁻¹ b."""
        return lambda b, *, gamma: b / (1 + gamma * self.mask.to(b))

    def norm_bound(self) -> Tensor:
        """Return 1, or 0 if no pixel is kept."""
        return self.mask.any().double()

    def lower_bound(self) -> Tensor:
        """Return 0, or 1 if all pixels are kept."""
        return self.mask.all().double()

    def extra_repr(self) -> str:
        """Return the size and how much is kept."""
        kept = float(self.mask.double().mean())
        return f"{self.image_size}, channels={self.in_features}, {kept:.1%} kept"


def usable_mask(owner: str, mask: Tensor, dim: int, channels: int) -> None:
    """Refuse what is no mask of an image with some number of axes."""
    leading = tuple(mask.shape[: max(mask.ndim - dim, 0)])
    if mask.dtype is not torch.bool or not 1 <= dim <= 3 or leading not in ((), (1,), (channels,)):
        msg = (
            f"{owner}: expected a boolean mask of an image with 1 to 3 axes and {channels} "
            f"channels; got shape {tuple(mask.shape)} and {mask.dtype}, with dim={dim}. "
            "Use mask.bool(), and give dim where the mask has an axis of channels."
        )
        raise ValueError(msg)
