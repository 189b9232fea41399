"""Images of any size for networks that halve it several times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch.nn.functional as F
from torch import Tensor

from darboux.structure._module import Module


@final
class PadToMultiple(Module):
    """Continue images at the far end by their last value, to the next multiple of a number."""

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
        pads: list[int] = []
        for n in x.shape[2:]:
            pads = [0, -n % self.multiple, *pads]
        return F.pad(x, pads, mode="replicate") if any(pads) else x

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.channels}, dim={self.dim}, multiple={self.multiple}"


def cropped(y: Tensor, space: Sequence[int]) -> Tensor:
    """Return the beginning of the images, of the given size."""
    for axis, n in enumerate(space, start=2):
        y = y.narrow(axis, 0, n)
    return y
