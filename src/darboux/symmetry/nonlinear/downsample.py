"""Half as many pixels along each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from darboux.symmetry.nonlinear.resample import Resample


@final
class Downsample(Resample):
    """Half as many pixels along each axis, after a blur, symmetric about the centre.

    An axis of odd size n keeps the pixels 0, 2, ..., n - 1 after the blur [1, 2, 1]/4; one of
    even size gets n/2 pixels halfway between pairs after the blur [1, 3, 3, 1]/8. Both are
    symmetric about the centre of the image, so quarter turns and reflections commute exactly,
    for every size; every second pixel of an even size, as strides take it, is not.

    ‖A‖₂ <= 2^(-dim/2) with zeros outside, since rows of each axis have the sum 1 at most, and
    columns ½. With circular padding the end pixels of odd sizes count twice, and ‖A‖₂ <= 1.

    Shapes: (batch, channels, *space) -> (batch, channels, *⌈space/2⌉).

    Source: section 5.1.3; Zhang 2019, Making convolutional networks shift-invariant again.

    Args:
        feature: the type of x, and of the result.
        dim: spatial axes, 1 to 3.
        padding: "circular" or "zeros".

    Raises:
        ValueError: if the group does not act on `dim` axes, or the padding is unknown.

    Example:
        >>> import torch
        >>> from darboux.symmetry import Cyclic, Feature
        >>> half, x = Downsample(Feature(Cyclic(4), ["trivial"]), dim=2), torch.randn(1, 1, 6, 7)
        >>> half(x).shape, half.restore(half(x), size=(6, 7)).shape
        (torch.Size([1, 1, 3, 4]), torch.Size([1, 1, 6, 7]))
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the smaller image."""
        return self._halved(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y on an image of twice the size."""
        return self.restore(y, size=[2 * n for n in y.shape[2:]])

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return A* y on an image of the size that was halved."""
        return self._spread(y, size)

    def norm(self) -> float:
        """Return 2^(-dim/2) with zeros outside, 1 with circular padding."""
        return 0.5 ** (self.dim / 2) if self.padding == "zeros" else 1.0
