"""Classifiers made of coupling layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from darboux.activations import GroupSort
from darboux.bijections import ActNorm, AdditiveCoupling, ContractiveNetwork, InvertibleResidual
from darboux.bijections._matrices import Fraction
from darboux.gradients import Memory
from darboux.linear import NormControl
from darboux.linear._sizes import Axes
from darboux.models._classifier import staged
from darboux.models._networks import (
    Build,
    Depth,
    Normalization,
    Width,
    convolutional_network,
    normalizations,
)
from darboux.structure._arguments import Count, checked


@checked
def coupling_classifier(
    in_channels: Width,
    classes: Width,
    *,
    channels: Width = 16,
    depth: Sequence[Depth] = (2, 2, 2),
    hidden: Width = 32,
    shuffle: Count = 2,
    dim: Axes = 2,
    memory: Memory = "autograd",
    normalization: Normalization | None = "batch",
    activation: Build = nn.ReLU,
) -> nn.Sequential:
    """Return a classifier that loses nothing before its last layers: an i-RevNet.

    An isometric lift makes blocks of pixels channels, and appends zeros; then stages of additive
    couplings whose sub-networks are convolution, normalisation, activation, convolution,
    normalisation, with pixel shuffles in between; then normalisation, activation, mean over the
    image and an affine map. The parts are `lift`, `chain` (invertible) and `head`. Images are
    continued by their last values to a size that can be halved at every stage.

    Shapes: (batch, in_channels, *space) -> logits (batch, classes).

    Source: Jacobsen, Smeulders, Oyallon 2018, i-RevNet; section 4.2.2.

    Args:
        in_channels: of the image.
        classes: the number of logits.
        channels: of the first stage, an even number, at least in_channels · shuffle^dim; each
            further stage has 2^dim times as many.
        depth: couplings of each stage; two of them move all channels.
        hidden: channels inside the sub-networks.
        shuffle: the factor by which the lift lowers the resolution.
        dim: spatial axes, 1 to 3.
        memory: of the chain: "autograd", "checkpoint" or "constant".
        normalization: of the sub-networks: "batch", "instance" or None.
        activation: a factory of the activation.

    Raises:
        ValueError: if the numbers do not fit together.

    Example:
        >>> import torch
        >>> net = coupling_classifier(1, 10, channels=8, depth=(2, 2), hidden=4)
        >>> z = net.lift(torch.rand(2, 1, 8, 8))
        >>> torch.testing.assert_close(net.eval().chain.inverse(net.chain(z)), z)
    """
    if channels % 2:
        msg = (
            "coupling_classifier: expected an even number of channels, halves for the couplings; "
            f"got {channels}. Use {channels + 1}."
        )
        raise ValueError(msg)

    def block(width: int, k: int) -> list[nn.Module]:
        half = width // 2
        network = convolutional_network(
            half,
            half,
            hidden=(hidden,),
            dim=dim,
            activation=activation,
            normalization=normalization,
            zero=False,  # normalisations of channels that are zero at first would be in the way
        )
        ends = normalizations(normalization, half, dim=dim)
        return [AdditiveCoupling(nn.Sequential(*network, *ends), swap=bool(k % 2))]

    return staged(
        "coupling_classifier",
        block,
        in_channels=in_channels,
        classes=classes,
        channels=channels,
        depth=depth,
        shuffle=shuffle,
        dim=dim,
        memory=memory,
        activation=activation,
    )


@checked
def residual_classifier(
    in_channels: Width,
    classes: Width,
    *,
    channels: Width = 16,
    depth: Sequence[Depth] = (2, 2, 2),
    hidden: Width = 16,
    constant: Fraction = 0.9,
    shuffle: Count = 2,
    dim: Axes = 2,
    memory: Memory = "autograd",
    activation: Build = GroupSort,
    by: NormControl = "rows",
) -> nn.Sequential:
    """Return a classifier of blocks x + f(x) with Lip(f) <= c < 1: an i-ResNet.

    An isometric lift makes blocks of pixels channels, and appends zeros (injective padding);
    then stages of invertible residual blocks, each behind an activation normalisation, whose f
    is convolution, activation, convolution, with pixel shuffles in between; then normalisation,
    activation, mean over the image and an affine map. The parts are `lift`, `chain` (invertible,
    for all parameters) and `head`. Images are continued by their last values to a size that can
    be halved at every stage.

    Shapes: (batch, in_channels, *space) -> logits (batch, classes).

    Source: Behrmann et al. 2019, Invertible residual networks; section 4.2.2.

    Args:
        in_channels: of the image.
        classes: the number of logits.
        channels: of the first stage, at least in_channels · shuffle^dim; each further stage has
            2^dim times as many.
        depth: blocks of each stage.
        hidden: channels inside f, an even number for sorting in pairs.
        constant: c.
        shuffle: the factor by which the lift lowers the resolution.
        dim: spatial axes, 1 to 3.
        memory: of the chain; "constant" solves one fixed-point problem per block.
        activation: a factory of f's activation, with a Lipschitz constant; one that keeps norms of
            gradients, as sorting pairs does, makes more of the bound than ELU.
        by: how norms are kept, "rows" or "spectral", see `darboux.linear.Shrunk`.

    Raises:
        ValueError: if the numbers do not fit together, or c is not in (0, 1).

    Example:
        >>> import torch
        >>> net = residual_classifier(1, 10, channels=4, depth=(1, 1), hidden=4)
        >>> z = net.lift(torch.rand(2, 1, 8, 8))
        >>> torch.testing.assert_close(net.chain.inverse(net.chain(z)), z)
    """

    def block(width: int, k: int) -> list[nn.Module]:
        del k
        network = ContractiveNetwork(
            width, (hidden,), constant=constant, activation=activation, dim=dim, by=by
        )
        return [ActNorm(width), InvertibleResidual(network)]

    return staged(
        "residual_classifier",
        block,
        in_channels=in_channels,
        classes=classes,
        channels=channels,
        depth=depth,
        shuffle=shuffle,
        dim=dim,
        memory=memory,
        activation=nn.ReLU,
    )
