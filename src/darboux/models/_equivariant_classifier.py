"""A classifier of images that is invariant under a group, and its twin without symmetry."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from darboux.activations import ReLU
from darboux.linear._sizes import Taps
from darboux.models._networks import Width
from darboux.structure._arguments import Natural, checked
from darboux.symmetry._feature import Feature, scalars
from darboux.symmetry._groups.group import Group
from darboux.symmetry._layers.equivariant_conv import EquivariantConv
from darboux.symmetry._layers.equivariant_map import EquivariantDense
from darboux.symmetry._nonlinear.field_norm import FieldNorm
from darboux.symmetry._nonlinear.pointwise import Pointwise
from darboux.symmetry._nonlinear.pooling import GroupPooling, SpacePooling
from darboux.symmetry._nonlinear.resample import Downsample


@checked
def equivariant_classifier(
    channels: Width,
    classes: Width,
    *,
    group: Group,
    widths: Sequence[Width] = (4, 8, 8),
    kernel_size: Taps = 3,
    halvings: Natural = 1,
) -> nn.Sequential:
    """Return a classifier whose answer does not change when a finite group turns the image.

    Stages of equivariant convolution, normalisation and ReLU on regular fields, some behind a
    halving of the resolution; then the maximum over the group, the mean over all pixels, and a
    dense map of these invariants. Outside there is the periodic image, so that an empty margin
    has no edge. With the group of one element, `Cyclic(1)`, it is an ordinary convolutional
    network of the same depth, where every field is a channel.

    Elements that map the grid to itself, such as quarter turns, change nothing but rounding;
    others, such as turns by 45°, change answers as far as pixels resolve them.

    Shapes: images are (batch, channels, height, width) of any size; logits (batch, classes).

    Source: sections 5.1.2 and 5.2; Cohen and Welling 2016.

    Args:
        channels: of the image; each is a scalar.
        classes: the number of logits.
        group: a finite group of the plane, such as Cyclic(8).
        widths: the number of regular fields of each stage.
        kernel_size: the width of the filters, odd.
        halvings: of the resolution, before the second stage and those that follow.

    Raises:
        ValueError: if there is no stage, or a width is not positive.

    Example:
        >>> import torch, darboux as dx
        >>> net = equivariant_classifier(1, 10, group=dx.symmetry.Cyclic(4)).eval()
        >>> x = torch.randn(2, 1, 18, 18)
        >>> torch.testing.assert_close(net(torch.rot90(x, 1, dims=(2, 3))), net(x))
    """
    if not widths:
        msg = f"Expected widths, one for each stage; got {list(widths)}. Use (4, 8, 8)."
        raise ValueError(msg)
    features = [scalars(group, channels), *(Feature(group, ["regular"] * m) for m in widths)]
    stages: list[nn.Module] = []
    for k, target in enumerate(features[1:]):
        stages += _stage(features[k], target, kernel_size=kernel_size, halved=0 < k <= halvings)
    pooled = scalars(group, widths[-1])
    head = (
        GroupPooling(features[-1]),
        SpacePooling(pooled),
        EquivariantDense(pooled, scalars(group, classes)),
    )
    return nn.Sequential(*stages, *head)


def _stage(source: Feature, target: Feature, *, kernel_size: int, halved: bool) -> list[nn.Module]:
    """Return the layers of a stage, the halving of what comes in first."""
    convolution = EquivariantConv(
        source, target, kernel_size=kernel_size, dim=2, padding_mode="circular"
    )
    layers: list[nn.Module] = [convolution, FieldNorm(target), Pointwise(target, ReLU())]
    return [Downsample(source, dim=2, padding_mode="circular"), *layers] if halved else layers
