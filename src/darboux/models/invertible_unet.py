"""The U-Net around an invertible chain."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.bijections import Chain
from darboux.models._sizes import cropped
from darboux.structure import parts_of


@final
class InvertibleUNet(nn.Module):
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

    def __init__(self, lift: nn.Module, chain: Chain, head: nn.Module) -> None:
        super().__init__()
        self.lift = lift
        self.chain = chain
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        return cropped(self.head(self.chain(self.lift(x))), x.shape[2:])


@parts_of.register
def _(module: InvertibleUNet) -> tuple[tuple[str, nn.Module], ...]:
    return (("lift", module.lift), ("chain", module.chain), ("head", module.head))
