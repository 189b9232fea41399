"""The invertible U-Net for volumes and its ordinary twin, by name."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from darboux.models import iunet, plain_unet

CLASSES = 3
INVERTIBLE, PLAIN = "invertible", "plain"
_ACCURACY = 1e-4  # of gradients; those of batches differ by far more


def volume_network(name: str, channels: int, depth: Sequence[int]) -> nn.Module:
    """Return a U-Net for volumes of one channel.

    The invertible one keeps no activations. Its own activations are smooth: where rounding takes
    an argument of a ReLU across its kink, gradients jump.

    A coupling moves half of the channels, so the invertible one has two for each residual block
    of the plain one, and about as many parameters.

    Args:
        name: "invertible" or "plain".
        channels: of the finest level.
        depth: blocks of each level of the plain one.

    Example:
        >>> pair = [volume_network(name, 8, (1, 1)) for name in (INVERTIBLE, PLAIN)]
        >>> invertible, plain = (sum(p.numel() for p in net.parameters()) for net in pair)
        >>> 0.9 < invertible / plain < 1.1
        True
    """
    if name == PLAIN:
        return plain_unet(1, CLASSES, spatial_dims=3, channels=channels, depth=depth)
    couplings = [2 * blocks for blocks in depth]
    return iunet(
        1,
        CLASSES,
        spatial_dims=3,
        channels=channels,
        depth=couplings,
        activation=nn.ELU,
        accuracy=_ACCURACY,
    )
