"""An ordinary residual network, for comparison with the invertible classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from darboux.linear._sizes import Axes
from darboux.models._classifier import check_depth
from darboux.models._networks import CONV, MEAN, POOL, Build, Depth, Width, normalizations
from darboux.structure._arguments import checked


@final
class _Block(nn.Module):
    """activation(z + network(z)), network: convolution, normalisation, activation, twice."""

    def __init__(self, width: int, dim: int, activation: Build) -> None:
        super().__init__()
        self.network = nn.Sequential(
            CONV[dim](width, width, 3, padding=1, bias=False),
            *normalizations("batch", width, dim=dim),
            activation(),
            CONV[dim](width, width, 3, padding=1, bias=False),
            *normalizations("batch", width, dim=dim),
        )
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.network(x))


@checked
def plain_resnet_classifier(
    in_channels: Width,
    classes: Width,
    *,
    widths: Sequence[Width] = (16, 32, 64),
    depth: Sequence[Depth] = (2, 2, 2),
    dim: Axes = 2,
    activation: Build = nn.ReLU,
) -> nn.Sequential:
    """Return an ordinary residual network: the twin of the invertible classifiers.

    A 3-wide convolution with stride 2, normalisation and activation; then stages of residual
    blocks of two convolutions, with 1-wide convolutions and average pooling in between; then
    the mean over the image and an affine map. By default it has as many blocks as
    `coupling_classifier` and `residual_classifier`, and as many parameters to within 5 % for
    images of one channel and ten classes.

    Shapes: (batch, in_channels, *space) -> logits (batch, classes).

    Source: He et al. 2016.

    Args:
        in_channels: of the image.
        classes: the number of logits.
        widths: channels of each stage.
        depth: residual blocks of each stage.
        dim: spatial axes, 1 to 3.
        activation: a factory of the activation.

    Raises:
        ValueError: if there is not one width for each stage.

    Example:
        >>> import torch
        >>> plain_resnet_classifier(1, 10, widths=(4, 8), depth=(1, 1))(
        ...     torch.rand(2, 1, 9, 9)
        ... ).shape
        torch.Size([2, 10])
    """
    name = "plain_resnet_classifier"
    check_depth(name, depth)
    if len(widths) != len(depth):
        msg = f"{name}: expected a width for each of the {len(depth)} stages; got {widths}."
        raise ValueError(msg)
    layers: list[nn.Module] = [
        CONV[dim](in_channels, widths[0], 3, stride=2, padding=1, bias=False),
        *normalizations("batch", widths[0], dim=dim),
        activation(),
    ]
    for stage, (width, count) in enumerate(zip(widths, depth, strict=True)):
        if stage:
            layers += _connector(widths[stage - 1], width, dim, activation)
        layers += [_Block(width, dim, activation) for _ in range(count)]
    return nn.Sequential(*layers, MEAN[dim](1), nn.Flatten(), nn.Linear(widths[-1], classes))


def _connector(here: int, there: int, dim: int, activation: Build) -> list[nn.Module]:
    return [
        CONV[dim](here, there, 1, bias=False),
        *normalizations("batch", there, dim=dim),
        activation(),
        POOL[dim](2, ceil_mode=True),
    ]
