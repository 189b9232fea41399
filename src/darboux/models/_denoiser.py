"""Denoisers: one that is nonexpansive by construction, and its twin without structure."""

from __future__ import annotations

import torch
from torch import nn

from darboux.activations import Clip, ReLU
from darboux.compose import Lifted, Translated
from darboux.fields import GradientField, VectorField, ZhangSchaefferField
from darboux.fields._gradient import Metric
from darboux.flow import ContractiveSteps, Flow
from darboux.integrators import Euler
from darboux.linear import Conv, Lift
from darboux.linear._sizes import Taps
from darboux.models._networks import Depth, Width
from darboux.structure._arguments import Count, Positive, checked


@checked
def denoiser(
    *,
    channels: Width = 1,
    features: Width = 32,
    units: Width = 48,
    depth: Depth = 8,
    shuffle: Count = 2,
    kernel_size: Taps = 3,
    threshold: Positive = 0.01,
    fraction: float = 0.9,
    metric: Metric = "rows",
) -> nn.Module:
    """Return a denoiser that is averaged, hence nonexpansive, for all parameters.

    x -> L* Φ_K ∘ ... ∘ Φ_1 (L x), where L unshuffles pixels and pads channels and Φ_k is an
    Euler step of a gradient field with clip units, z - h A* T⁻¹ clip(A z + b). Each
    step removes a little of what the filters A see below their thresholds.

    Shapes: images are (batch, channels, height, width) in [0, 1], of any size.

    Source: sections 2.1.1 and 2.2.1; Sherry et al. 2024 for the idea.

    Args:
        channels: of the image.
        features: of the flow, at least channels · shuffle².
        units: rows of each A.
        depth: K.
        shuffle: the factor by which the lift halves the resolution; 1 for none.
        kernel_size: the width of the filters.
        threshold: the initial thresholds of the clips, in units of the image.
        fraction: of the largest contractive step.
        metric: "rows" (a row-sum metric, cheap), "entries" (a cheaper and coarser one) or "norm"
            (equation (16) as printed).

    Example:
        >>> import torch
        >>> denoiser(features=8, units=8, depth=2)(torch.rand(1, 1, 9, 10)).shape
        torch.Size([1, 1, 9, 10])
    """
    fields = [
        GradientField(
            Conv(features, units, kernel_size=kernel_size, dim=2, padding_mode="zeros"),
            Clip(units, dim=2, threshold=threshold),
            metric=metric,
        )
        for _ in range(depth)
    ]
    flow = Flow(fields, Euler(), steps=ContractiveSteps(fraction=fraction))
    return _around(flow, channels=channels, features=features, shuffle=shuffle)


@checked
def unconstrained_denoiser(
    *,
    channels: Width = 1,
    features: Width = 32,
    units: Width = 48,
    depth: Depth = 8,
    shuffle: Count = 2,
    kernel_size: Taps = 3,
) -> nn.Module:
    """Return the twin of `denoiser` without its structure, for comparison.

    The same lift, width and depth, with free maps in both directions and unit steps,
    z + b2 - A2 relu(A1 z + b1): twice the parameters, and no promise. A2 begins small, so that
    the network begins near the identity, as residual networks should.

    Shapes: images are (batch, channels, height, width) in [0, 1], of any size.

    Args:
        channels: of the image.
        features: of the flow.
        units: hidden features of each step.
        depth: K.
        shuffle: the factor of the lift.
        kernel_size: the width of the filters.

    Example:
        >>> import torch
        >>> unconstrained_denoiser(features=8, units=8, depth=2)(torch.rand(1, 1, 9, 10)).shape
        torch.Size([1, 1, 9, 10])
    """
    fields = [_free_field(features, units, kernel_size) for _ in range(depth)]
    flow = Flow(fields, Euler(), horizon=float(depth))
    return _around(flow, channels=channels, features=features, shuffle=shuffle)


def _free_field(features: int, units: int, kernel_size: int) -> VectorField:
    inner = Conv(features, units, kernel_size=kernel_size, dim=2, padding_mode="zeros")
    outer = Conv(units, features, kernel_size=kernel_size, dim=2, padding_mode="zeros")
    nn.init.kaiming_normal_(inner.weight)
    with torch.no_grad():
        outer.weight.mul_(0.1)
    return ZhangSchaefferField(inner, ReLU(), outer)


def _around(flow: Flow, *, channels: int, features: int, shuffle: int) -> nn.Module:
    """Put the flow between an isometric lift and its adjoint, around the middle grey."""
    lift = Lift(channels, features, dim=2, shuffle=shuffle)
    return Translated(Lifted(lift, flow), offset=0.5)
