"""The U-Net without structure, for comparison with the invertible one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from darboux.linear._sizes import Axes
from darboux.models._levels import Level, Parts, levels_of
from darboux.models._networks import (
    CONV,
    UP,
    Build,
    Depth,
    Normalization,
    Rate,
    Width,
    convolutional_network,
)
from darboux.models._padding import PadToMultiple, cropped
from darboux.structure._arguments import checked
from darboux.structure._module import Module


@final
class PlainUNet(Module):
    """A U-Net of residual blocks with ordinary backpropagation. `plain_unet` builds one.

    Shapes: x is (batch, in_channels, *space), y is (batch, out_channels, *space).

    Args:
        lift: pads, and maps to the channels of the finest level.
        body: the levels.
        head: maps to the output, point by point.

    Example:
        >>> import torch, darboux as dx
        >>> dx.models.plain_unet(1, 2, channels=4, depth=(1, 1))(torch.rand(1, 1, 5, 6)).shape
        torch.Size([1, 2, 5, 6])
    """

    @checked
    def __init__(self, lift: nn.Module, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.lift = lift
        self.body = body
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        return cropped(self.head(self.body(self.lift(x))), x.shape[2:])


@final
class _Level(nn.Module):
    """Blocks, and where there are coarser levels those between a convolution down and one up."""

    def __init__(
        self, level: Level, dim: int, blocks: Sequence[nn.Module], inner: nn.Module, coarse: int
    ) -> None:
        super().__init__()
        self.level = level
        half = len(blocks) // 2
        self.before = nn.Sequential(*blocks[:half])
        self.after = nn.Sequential(*blocks[half:])
        self.inner = nn.Sequential(
            CONV[dim](level.down, coarse, 2, stride=2),
            inner,
            UP[dim](coarse, level.down, 2, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        z = self.before(x)
        down, skip = z[:, : self.level.down], z[:, self.level.down :]
        return self.after(torch.cat([self.inner(down), skip], dim=1))


@final
class _Block(nn.Module):
    """z + network(z)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return x + self.network(x)


@checked
def plain_unet(
    in_channels: Width,
    out_channels: Width,
    *,
    spatial_dims: Axes = 2,
    channels: Width = 32,
    depth: Sequence[Depth] = (2, 2, 2),
    split: Parts = None,
    normalization: Normalization | None = "instance",
    dropout: Rate = 0.0,
    activation: Build = nn.ReLU,
) -> PlainUNet:
    """Return the twin of `iunet` without its structure, for comparison.

    The same levels, channels, skip connections and numbers of blocks. Its blocks are residual,
    z + convolution, normalisation, activation, convolution on all channels with the hidden
    width of the couplings (twice their parameters); it goes down and up by free convolutions
    with stride 2. Ordinary backpropagation keeps all activations.

    Shapes: (batch, in_channels, *space) -> (batch, out_channels, *space).

    Source: Etmann, Ke, Schönlieb 2020, iUNets, whose baseline is alike.

    Args:
        in_channels: of the image.
        out_channels: of the output.
        spatial_dims: d, 1 to 3.
        channels: of the finest level.
        depth: blocks of each level, finest first, on each way.
        split: as that of `iunet`.
        normalization: "instance", "batch" or None.
        dropout: the probability with which hidden entries are left out in training.
        activation: a factory of the activation.

    Raises:
        ValueError: as `iunet`.

    Example:
        >>> import torch
        >>> network = plain_unet(1, 3, spatial_dims=3, channels=8, depth=(1, 1))
        >>> network(torch.rand(2, 1, 6, 5, 7)).shape
        torch.Size([2, 3, 6, 5, 7])
    """
    name, dim = "plain_unet", spatial_dims
    levels = levels_of(name, channels=channels, depth=depth, split=split, dim=dim)

    def block(c: int) -> nn.Module:
        network = convolutional_network(
            c,
            c,
            hidden=(c // 2,),
            dim=dim,
            activation=activation,
            normalization=normalization,
            dropout=dropout,
            zero=False,
        )
        return _Block(network)

    coarsest = levels[-1]
    body: nn.Module = nn.Sequential(*(block(coarsest.channels) for _ in range(coarsest.blocks)))
    for fine, coarse in zip(reversed(levels[:-1]), reversed(levels[1:]), strict=True):
        blocks = [block(fine.channels) for _ in range(2 * fine.blocks)]
        body = _Level(fine, dim, blocks, body, coarse.channels)
    multiple, least = 2 ** (len(levels) - 1), 2 if normalization == "instance" else 1
    pad = PadToMultiple(in_channels, dim=dim, multiple=multiple, name=name, least=least)
    lift = nn.Sequential(pad, CONV[dim](in_channels, channels, 3, padding=1))
    return PlainUNet(lift, body, CONV[dim](channels, out_channels, 1))
