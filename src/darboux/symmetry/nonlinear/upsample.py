"""Twice as many pixels along each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from darboux.symmetry.nonlinear.resample import Resample


@final
class Upsample(Resample):
    """Twice as many pixels along each axis: 2^dim times the adjoint of `Downsample`.

    Pixels are interpolated linearly, and the result has the size of x twice, or the one that
    is asked for, whose half it must be. As every row and column of A A* shows, ‖A‖₂ <= 2^(dim/2):
    an image of four times as many pixels, of equal size, has twice the norm.

    Shapes: (batch, channels, *space) -> (batch, channels, *2 space), or of `size`.

    Source: section 5.1.3.

    Args:
        feature: the type of x, and of the result.
        dim: spatial axes, 1 to 3.
        padding: "circular" or "zeros".

    Raises:
        ValueError: if the group does not act on `dim` axes, the padding is unknown, or the size
            does not belong to x, or is odd with circular padding.

    Example:
        >>> import torch
        >>> from darboux.symmetry import Cyclic, Feature
        >>> Upsample(Feature(Cyclic(4), ["trivial"]), dim=2)(torch.ones(1, 1, 1, 1))
        tensor([[[[1., 1.],
                  [1., 1.]]]])
    """

    def forward(self, x: Tensor, *, size: Sequence[int] | None = None) -> Tensor:
        """Return the larger image, of twice the size of x or of the one given."""
        target = [2 * n for n in x.shape[2:]] if size is None else list(size)
        if self.padding == "circular" and any(n % 2 for n in target):
            msg = (
                f"Upsample: expected even sizes with circular padding; got {tuple(target)}. At an "
                "odd size the last pixel and the first are neighbours, both are made from two, "
                "and the norm exceeds its bound. Use padding='zeros'."
            )
            raise ValueError(msg)
        return 2**self.dim * self._spread(x, target)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y, of half the size."""
        return 2**self.dim * self._halved(y)

    def norm(self) -> float:
        """Return 2^(dim/2)."""
        return 2 ** (self.dim / 2)
