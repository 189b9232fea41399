"""A denoiser that is nonexpansive and equivariant, both by construction."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from darboux.activations import Clip
from darboux.compose import Lifted
from darboux.fields import GradientField
from darboux.flow import ContractiveSteps, Flow
from darboux.integrators import Euler
from darboux.linear._sizes import Axes, Taps
from darboux.linear._stencil import Padding
from darboux.models._networks import Depth, Width
from darboux.structure._arguments import Positive, checked
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.group import Group
from darboux.symmetry._layers.equivariant_conv import EquivariantConv
from darboux.symmetry._layers.feature_lift import FeatureLift
from darboux.symmetry._representations.representation import Representation

Fields = Sequence[str | int | Representation]


@checked
def equivariant_nonexpansive_denoiser(
    channels: Width = 1,
    *,
    group: Group,
    fields: Fields = ("regular",) * 4,
    units: Fields = ("regular",) * 8,
    steps: Depth = 6,
    kernel_size: Taps = 3,
    dim: Axes = 2,
    padding_mode: Padding = "zeros",
    threshold: Positive = 0.02,
    fraction: float = 0.9,
) -> nn.Module:
    """Return a denoiser that is averaged, hence nonexpansive, and commutes with a group.

    x -> L* Φ_K ∘ ... ∘ Φ_1 (L x), where the isometric L takes scalars to invariant vectors and
    Φ_k is an Euler step inside the contractive range, z - h A* T⁻¹ clip(A z + b), with an
    equivariant convolution A and T, b and clip the same on all channels of a field. Both
    promises hold for all parameters. With padding_mode="circular" shifts commute as well.

    Shapes: images are (batch, channels, *space), of any size, about zero: pixels in [0, 1] less
    the middle grey.

    Source: sections 2.2.1, 5.1.2 and 5.1.3.

    Args:
        channels: of the image, each a scalar.
        group: a group that acts on `dim` axes, such as Cyclic(4).
        fields: of the flow's features; as many with an invariant vector as there are channels.
        units: fields of each A z, which the group permutes, up to signs.
        steps: K.
        kernel_size: the width of the filters, odd.
        dim: spatial axes.
        padding_mode: "zeros" or "circular".
        threshold: the initial threshold of the clips, in units of the image.
        fraction: of the largest contractive step.

    Raises:
        ValueError: if clips do not commute with the group on the units, or there is no step.

    Example:
        >>> import torch, darboux as dx
        >>> net = equivariant_nonexpansive_denoiser(group=dx.symmetry.Cyclic(4), steps=2)
        >>> x = torch.rand(1, 1, 8, 8) - 0.5
        >>> torch.testing.assert_close(
        ...     net(torch.rot90(x, 1, dims=(2, 3))), torch.rot90(net(x), 1, dims=(2, 3))
        ... )
    """
    feature, hidden = Feature(group, fields), Feature(group, units)
    _refuse_mixing(hidden)
    flows = [
        GradientField(
            EquivariantConv(
                feature, hidden, kernel_size=kernel_size, dim=dim, padding_mode=padding_mode
            ),
            Clip(threshold=threshold),
        )
        for _ in range(steps)
    ]
    flow = Flow(flows, Euler(), steps=ContractiveSteps(fraction=fraction))
    return Lifted(FeatureLift(channels, feature, dim=dim), flow)


def _refuse_mixing(units: Feature) -> None:
    """Refuse units with which clips do not commute."""
    for field in units.fields:
        if not field.permutes and not field.signs:
            msg = (
                "Expected units whose entries the group permutes, up to signs, so that clips "
                f"commute; got {field.name} of {units.group.describe()}. Use regular fields."
            )
            raise ValueError(msg)
