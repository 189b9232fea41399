"""The fully invertible U-Net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.bijections import (
    AdditiveCoupling,
    Bijection,
    Chain,
    Concatenate,
    Haar,
    Inverse,
    OrthogonalResampling,
    PixelShuffle,
    Split,
)
from darboux.gradients import Memory
from darboux.linear._sizes import Axes
from darboux.models._levels import Level, Parts, levels_of
from darboux.models._networks import (
    CONV,
    Build,
    Depth,
    Normalization,
    Rate,
    Width,
    convolutional_network,
)
from darboux.models._padding import PadToMultiple, cropped
from darboux.structure import maps_of
from darboux.structure._arguments import Positive, checked
from darboux.structure._module import Module

Resampling = Literal["learned", "haar", "pixel-shuffle"]


@checked
def iunet(
    in_channels: Width,
    out_channels: Width,
    *,
    spatial_dims: Axes = 2,
    channels: Width = 32,
    depth: Sequence[Depth] = (2, 2, 2),
    split: Parts = None,
    memory: Memory = "constant",
    accuracy: Positive | None = None,
    resampling: Resampling = "learned",
    normalization: Normalization | None = "instance",
    dropout: Rate = 0.0,
    activation: Build = nn.ReLU,
) -> InvertibleUNet:
    """Return a U-Net whose whole body is invertible, so that its memory is flat in depth.

    A convolution lifts the image. At each level additive couplings act, whose sub-networks are
    convolution, normalisation, activation, convolution on half of the channels; a part of the
    channels is put aside as the skip connection, and an orthogonal map per channel takes the
    others to half the resolution and 2^d times the channels. On the way up all of it is undone
    in the opposite order, with couplings and orthogonal maps of its own. A 1-wide convolution
    ends it.

    Sizes that are not multiples of 2^(levels - 1) are continued by their last values, and the
    output is cropped.

    Shapes: (batch, in_channels, *space) -> (batch, out_channels, *space).

    Source: Etmann, Ke, Schönlieb 2020, iUNets; section 4.2.2.

    Args:
        in_channels: of the image.
        out_channels: of the output.
        spatial_dims: d, 1 to 3.
        channels: of the finest level.
        depth: coupling blocks of each level, finest first, on each way.
        split: the fraction of a level's channels that stays as skip connection, for all levels
            or for each but the last; None for 1/2, or 3/4 where d = 3, so that channels double
            at each level where d > 1.
        memory: of the chain; with "constant" no activation of the body is kept.
        accuracy: the relative error that gradients may have, see `darboux.bijections.Chain`.
        resampling: "learned" orthogonal maps that begin as Haar's, "haar" or "pixel-shuffle".
        normalization: of the sub-networks: "instance", "batch" or None.
        dropout: the probability with which hidden entries are left out in training.
        activation: a factory of the sub-networks' activation.

    Raises:
        ValueError: if numbers of channels do not fit together, or an option is unknown; when
            called, if an image has other channels or axes, or is too small to normalise.

    Example:
        >>> import torch
        >>> network = iunet(1, 3, spatial_dims=3, channels=8, depth=(1, 1))
        >>> network(torch.rand(2, 1, 6, 5, 7)).shape
        torch.Size([2, 3, 6, 5, 7])
    """
    levels = levels_of("iunet", channels=channels, depth=depth, split=split, dim=spatial_dims)

    def blocks(level: Level) -> list[nn.Module]:
        return _blocks(level, spatial_dims, normalization, dropout, activation)

    chain = Chain(
        _around(levels, blocks, lambda c: _downsampling(resampling, c, spatial_dims)),
        memory=memory,
        accuracy=accuracy,
    )
    pad = PadToMultiple(
        in_channels,
        dim=spatial_dims,
        multiple=2 ** (len(levels) - 1),
        name="iunet",
        least=2 if normalization == "instance" else 1,
    )
    lift = nn.Sequential(pad, CONV[spatial_dims](in_channels, channels, 3, padding=1), Wide())
    return InvertibleUNet(lift, chain, CONV[spatial_dims](channels, out_channels, 1))


def _around(
    levels: Sequence[Level],
    blocks: Callable[[Level], list[nn.Module]],
    downsampling: Callable[[int], Bijection],
) -> list[nn.Module]:
    """Return the layers of the levels: the finest ones around the coarser ones."""
    level, *coarser = levels
    if not coarser:
        return blocks(level)
    return [
        *blocks(level),
        Split(level.down),
        downsampling(level.down),
        *_around(coarser, blocks, downsampling),
        Inverse(downsampling(level.down)),
        Concatenate(level.down),
        *blocks(level),
    ]


def _blocks(
    level: Level,
    dim: int,
    normalization: Normalization | None,
    dropout: float,
    activation: Build,
) -> list[nn.Module]:
    half = level.channels // 2
    return [
        AdditiveCoupling(
            convolutional_network(
                half,
                half,
                hidden=(half,),
                dim=dim,
                activation=activation,
                normalization=normalization,
                dropout=dropout,
                zero=False,
            ),
            swap=bool(k % 2),
        )
        for k in range(level.blocks)
    ]


def _downsampling(resampling: Resampling, channels: int, dim: int) -> Bijection:
    if resampling == "learned":
        return OrthogonalResampling(channels, dim=dim, init="haar")
    return Haar(dim=dim) if resampling == "haar" else PixelShuffle(dim=dim)


@final
class InvertibleUNet(Module):
    """An invertible chain between a lift to more channels and a head: y = head(chain(lift(x))).

    Only the chain is invertible. The lift pads images to a size that can be halved at every
    level, and the output is cropped to that of x. `darboux.models.iunet` builds one.

    Shapes: x is (batch, in_channels, *space), y is (batch, out_channels, *space).

    Source: Etmann, Ke, Schönlieb 2020, iUNets; section 4.2.2.

    Args:
        lift: pads, and maps to the channels of the chain.
        chain: one flat chain of couplings, resamplings, splits and concatenations.
        head: maps to the output, point by point.

    Example:
        >>> import torch, darboux as dx
        >>> network = dx.models.iunet(1, 2, channels=8, depth=(1, 1))
        >>> z = network.lift(torch.rand(1, 1, 6, 7))
        >>> torch.testing.assert_close(network.chain.inverse(network.chain(z)), z)
    """

    @checked
    def __init__(self, lift: nn.Module, chain: Chain, head: nn.Module) -> None:
        super().__init__()
        self.lift = lift
        self.chain = chain
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        return cropped(self.head(self.chain(self.lift(x))), x.shape[2:])


@final
class Wide(nn.Module):
    """The identity, which under autocast turns half precision into float32."""

    # What a chain adds up step after step, and takes off again, needs more digits than the
    # sub-networks that autocast lets run in few.

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in float32 at least where autocast is on."""
        half = x.dtype in (torch.float16, torch.bfloat16)
        return x.float() if half and torch.is_autocast_enabled(x.device.type) else x


@maps_of.register
def _(module: InvertibleUNet) -> tuple[tuple[str, nn.Module], ...]:
    return (("lift", module.lift), ("chain", module.chain), ("head", module.head))
