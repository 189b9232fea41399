"""The denoisers of Figure 3: an ordinary residual network and one that commutes with rotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, final

import torch.nn.functional as F
from torch import Tensor, nn

from darboux.activations import ReLU
from darboux.compose import Affine, Residual, Translated
from darboux.linear import Conv, LinearMap
from darboux.linear._stencil import Padding
from darboux.models._networks import Depth, Width
from darboux.structure import Claim, Claims, Equivariant, Isometric, Kind
from darboux.structure._arguments import NonNegative, checked
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic
from darboux.symmetry._groups.planar import SO2
from darboux.symmetry._layers.equivariant_conv import EquivariantConv
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.symmetry._nonlinear.pointwise import Pointwise

Fields = Literal["irreducible", "regular"]

_GREY = 0.5  # stands for zero inside the network, and outside the image

_ROTATIONS = 8  # of the regular fields

_COUNTS = (4, 2, 2, 1, 1)  # fields of frequency 0, ..., 4 in 16 channels

_CHANNELS = {"irreducible": 16, "regular": _ROTATIONS}

_LARGEST = 2  # frequency of a 3×3 kernel

_BIAS = -0.01


@checked
def ordinary_denoiser(
    *,
    channels: Width = 3,
    width: Width = 128,
    depth: Depth = 5,
    step: NonNegative = 1.0,
    padding_mode: Padding = "circular",
) -> nn.Module:
    """Return the ordinary denoiser of Figure 3, a residual network of convolutions.

    A 3×3 lift, steps z + h relu(K z + b) with 3×3 convolutions K, and a 1×1 projection, all
    with biases; grey 1/2 takes the place of zero. By default it has 741 891 parameters.

    Shapes: images are (batch, channels, height, width) in [0, 1], of any size, kept.

    Source: section 5.2, Figure 3; equation (5).

    Args:
        channels: of the image.
        width: channels of z.
        depth: the number of steps.
        step: h.
        padding_mode: "circular", so that periodic shifts commute, or "zeros".

    Example:
        >>> network = ordinary_denoiser(width=8, depth=2)
        >>> sum(p.numel() for p in network.parameters())
        1419
    """
    lift = Conv(channels, width, kernel_size=3, dim=2, padding_mode=padding_mode)
    maps = [
        Conv(width, width, kernel_size=3, dim=2, padding_mode=padding_mode) for _ in range(depth)
    ]
    projection = Conv(width, channels, kernel_size=1, dim=2, padding_mode=padding_mode)
    return _residual_network(Affine(lift), maps, projection, ReLU, step)


@checked
def equivariant_denoiser(
    *,
    channels: Width = 3,
    width: Width = 128,
    depth: Depth = 5,
    step: NonNegative = 1.0,
    padding_mode: Padding = "circular",
    fields: Fields = "irreducible",
) -> nn.Module:
    """Return the equivariant denoiser of Figure 3: the ordinary one, commuting with rotations.

    "irreducible": features of SO(2) of frequency 0, ..., 4, of which 16 channels hold 4, 2, 2, 1
    and 1 fields, and the norm nonlinearity on all of them. "regular": regular features of eight
    rotations and ReLU. Kernels are steerable and sampled; quarter turns commute exactly. By
    default there are 61 235 parameters, with "regular" 61 875.

    Shapes: images are (batch, channels, height, width) in [0, 1], of any size, kept.

    Source: section 5.2, Figure 3; Worrall and others 2017, Harmonic networks, for the norm
    nonlinearity; Weiler and Cesa 2019 for regular fields.

    Args:
        channels: of the image, all of them scalars.
        width: channels of z, a multiple of 16, with regular fields of 8.
        depth: the number of steps.
        step: h.
        padding_mode: "circular", so that periodic shifts commute, or "zeros".
        fields: what the channels of z hold.

    Raises:
        ValueError: if the width is no such multiple, or the fields are unknown.

    Example:
        >>> import torch
        >>> network, x = equivariant_denoiser(width=16, depth=2), torch.rand(1, 3, 6, 6)
        >>> def turned(image):
        ...     return image.rot90(1, dims=(2, 3))
        >>> torch.testing.assert_close(network(turned(x)), turned(network(x)))
    """
    feature, activation = _features(fields, width)
    image, reached = Feature(feature.group, ["trivial"] * channels), _reached(feature)
    lift = nn.Sequential(
        Affine(EquivariantConv(image, reached, kernel_size=3, dim=2, padding_mode=padding_mode)),
        MoreFields(reached, feature),
    )
    maps = [
        EquivariantConv(feature, feature, kernel_size=3, dim=2, padding_mode=padding_mode)
        for _ in range(depth)
    ]
    projection = EquivariantConv(feature, image, kernel_size=1, dim=2, padding_mode=padding_mode)
    return _residual_network(lift, maps, projection, activation, step)


def _features(fields: Fields, width: int) -> tuple[Feature, Callable[[], nn.Module]]:
    """Return the type of z, and what makes a nonlinearity for it."""
    times, rest = divmod(width, _CHANNELS[fields])
    if rest or times < 1:
        msg = (
            f"equivariant_denoiser: expected a width that is a multiple of {_CHANNELS[fields]}, "
            f"with fields={fields!r}; got {width}. Use, for instance, 128."
        )
        raise ValueError(msg)
    if fields == "regular":
        feature = Feature(Cyclic(_ROTATIONS), ["regular"] * times)
        return feature, lambda: Pointwise(feature, ReLU())
    names = [k for k, count in enumerate(_COUNTS) for _ in range(count * times)]
    feature = Feature(SO2(), names)
    return feature, lambda: NormActivation(feature, bias=_BIAS)


def _reached(feature: Feature) -> Feature:
    """Return the fields that a 3×3 kernel takes scalars to: those of frequency 2 at most."""
    if not isinstance(feature.group, SO2):
        return feature
    return Feature(feature.group, [f for f in feature.fields if int(f.content[0]) <= _LARGEST])


def _residual_network(
    lift: nn.Module,
    maps: Sequence[LinearMap],
    projection: LinearMap,
    activation: Callable[[], nn.Module],
    step: float,
) -> nn.Module:
    """Return c + P Φ_K ∘ ... ∘ Φ_1 (L (x - c)) with Φ_k(z) = z + h σ(K z + b)."""
    steps = [Residual(nn.Sequential(Affine(each), activation()), scale=step) for each in maps]
    return Translated(nn.Sequential(lift, *steps, Affine(projection)), offset=_GREY)


@final
class MoreFields(nn.Module):
    """The isometry x -> (x, 0) into a feature that begins with the fields of x."""

    # A small kernel takes scalars to low frequencies only; fields of higher ones begin at zero.

    def __init__(self, source: Feature, target: Feature) -> None:
        super().__init__()
        if source.group != target.group or target.fields[: len(source.fields)] != source.fields:
            msg = (
                f"MoreFields: expected a target that begins with {source.describe()}; got "
                f"{target.describe()}. Put the new fields last."
            )
            raise ValueError(msg)
        self.source, self.target = source, target

    def forward(self, x: Tensor) -> Tensor:
        """Return (x, 0)."""
        more = self.target.channels - self.source.channels
        return F.pad(x, (*(0,) * (2 * x.ndim - 4), 0, more))

    def claims(self) -> Claims:
        """Return that the map is isometric and equivariant."""
        reason = "the fields of x are kept, and zero is zero for every g"
        type_ = Equivariant(self.source.group, self.source, self.target, translations=(1, 1))
        return Claims(
            (
                Claim(Isometric(), Kind.CONSTRUCTION, reason),
                Claim(type_, Kind.CONSTRUCTION, reason),
            )
        )

    def extra_repr(self) -> str:
        """Return the features."""
        return f"{self.source!r} -> {self.target!r}"
