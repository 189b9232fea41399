"""Images of any size for networks that halve it several times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class PadToMultiple(nn.Module):
    """Continue images at the far end by their last value, to the next multiple of a number.

    Shapes: (batch, channels, *space) -> (batch, channels, *⌈space / multiple⌉ · multiple).

    Args:
        channels: what the network expects.
        dim: spatial axes.
        multiple: what divides the padded sizes.
        least: the least number of blocks of `multiple` pixels, over all axes.
        name: of the network, for messages.

    Raises:
        ValueError: when called, if the image does not fit.

    Example:
        >>> import torch
        >>> PadToMultiple(1, dim=1, multiple=4, name="example")(torch.tensor([[[1.0, 2.0]]]))
        tensor([[[1., 2., 2., 2.]]])
    """

    def __init__(
        self, channels: int, *, dim: int, multiple: int, name: str, least: int = 1
    ) -> None:
        super().__init__()
        self.channels, self.dim, self.multiple = channels, dim, multiple
        self.name, self.least = name, least

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded images."""
        if x.ndim != self.dim + 2 or x.shape[1] != self.channels:
            msg = (
                f"{self.name}: expected (batch, {self.channels}, *space) with {self.dim} spatial "
                f"axes; got shape {tuple(x.shape)}. Build it with these in_channels and axes."
            )
            raise ValueError(msg)
        blocks = 1
        for n in x.shape[2:]:
            blocks = blocks * -(-n // self.multiple)
        if blocks < self.least:
            msg = (
                f"{self.name}: expected images of at least {self.least} blocks of "
                f"{self.multiple} pixels an axis, to normalise the coarsest level; got size "
                f"{tuple(x.shape[2:])}. Use larger images, fewer levels or normalization=None."
            )
            raise ValueError(msg)
        return padded(x, self.multiple)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.channels}, dim={self.dim}, multiple={self.multiple}"


def padded(x: Tensor, multiple: int) -> Tensor:
    """Return the images continued by their last values.

    Example:
        >>> import torch
        >>> padded(torch.ones(1, 1, 3, 4), 4).shape
        torch.Size([1, 1, 4, 4])
    """
    pads: list[int] = []
    for n in x.shape[2:]:
        pads = [0, -n % multiple, *pads]
    return F.pad(x, pads, mode="replicate") if any(pads) else x


def cropped(y: Tensor, space: Sequence[int]) -> Tensor:
    """Return the beginning of the images, of the given size.

    Example:
        >>> import torch
        >>> cropped(torch.ones(1, 1, 4, 4), (3, 4)).shape
        torch.Size([1, 1, 3, 4])
    """
    for axis, n in enumerate(space, start=2):
        y = y.narrow(axis, 0, n)
    return y
