"""Multi-scale normalising flows of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from torch import nn

from darboux.bijections import ActNorm, Chain, Flatten, LULinear, PixelShuffle, Split
from darboux.density import LogitTransform, NormalizingFlow, StandardNormal
from darboux.density._logit import Margin
from darboux.gradients import Memory
from darboux.models._couplings import Law, coupling_of
from darboux.models._networks import Build, Depth, Width, convolutional_network
from darboux.structure._arguments import Count, Within, checked


@checked
def image_flow(
    shape: Sequence[Count],
    *,
    context: Count | None = None,
    levels: Annotated[int, Within("an integer from 1 to 30", least=1, most=30)] = 2,
    steps: Depth = 4,
    hidden: Width = 64,
    law: Law = "affine",
    alpha: Margin | None = 0.05,
    normalize: bool = True,
    activation: Build = nn.ReLU,
    memory: Memory = "autograd",
    **options: Any,
) -> NormalizingFlow:
    """Return a multi-scale flow of images onto a normal law, like Glow.

    Each level is a pixel shuffle and `steps` times activation normalisation, a learned linear
    map of the channels (LU) and a coupling of halves; after each level but the last, half of
    the channels are put aside. All that is left is one vector. The conditioners are
    convolutions of widths 3, 1 and 3 and begin at zero.

    Call `darboux.models.initialise` with a batch of data before training.

    Shapes: x is (batch, channels, *space) in (0, 1); latents are (batch, N).

    Source: section 4.2.3; Kingma and Dhariwal 2018, Glow; Dinh et al. 2017, RealNVP.

    Args:
        shape: (channels, *space) of the images; 2^levels divides each size.
        context: features of what the density is conditioned on, or None.
        levels: how often the resolution is halved.
        steps: couplings of each level.
        hidden: channels inside the conditioners.
        law: "affine", "spline" or "additive".
        alpha: of the `LogitTransform` that takes [0, 1] to the real line first; None for none,
            then x may be any real image.
        normalize: whether there are activation normalisations.
        activation: a factory of the conditioners' activation.
        memory: of the chain: "autograd", "checkpoint" or "constant".
        **options: of the couplings: `bins` and `tail` of splines, `bound` of affine ones.

    Raises:
        ValueError: if the sizes cannot be halved so often, or an option is unknown.

    Example:
        >>> import torch
        >>> flow = image_flow((1, 8, 8), steps=2, hidden=8)
        >>> flow().log_prob(torch.rand(3, 1, 8, 8)).shape
        torch.Size([3])
    """
    channels, *space = _sizes(shape, levels)
    dim = len(space)

    def network(inputs: int, outputs: int) -> nn.Module:
        return convolutional_network(
            inputs,
            outputs,
            hidden=(hidden, hidden),
            kernels=(3, 1, 3),
            dim=dim,
            activation=activation,
        )

    def step(width: int, k: int) -> list[nn.Module]:
        swap = bool(k % 2)
        coupling = coupling_of(law, width, network, swap=swap, context_features=context, **options)
        return [*([ActNorm(width)] if normalize else []), LULinear(width), coupling]

    layers: list[nn.Module] = [] if alpha is None else [LogitTransform(alpha)]
    aside: list[tuple[int, ...]] = []
    for level in range(levels):
        layers.append(PixelShuffle(dim=dim))
        channels, space = channels * 2**dim, [n // 2 for n in space]
        for k in range(steps):
            layers += step(channels, k)
        if level < levels - 1:
            keep = channels // 2
            layers.append(Split(keep))
            aside.insert(0, (channels - keep, *space))
            channels = keep
    layers.append(Flatten([(channels, *space), *aside]))
    chain = Chain(layers, memory=memory)
    return NormalizingFlow(chain, StandardNormal(math.prod(shape)), shape=shape)


def _sizes(shape: Sequence[int], levels: int) -> list[int]:
    if not 2 <= len(shape) <= 4 or any(n % 2**levels for n in shape[1:]):
        msg = (
            f"image_flow: expected shape (channels, *space) with 1 to 3 sizes that 2^levels = "
            f"{2**levels} divides; got {tuple(shape)}. Use fewer levels, or pad the images."
        )
        raise ValueError(msg)
    return list(shape)
