"""Frozen fields: h f(z) as plain layers with everything folded into the weights."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from darboux.compose import Affine
from darboux.deploy._layers import ChannelScale, activation_layer, layer, scaled_rows
from darboux.deploy._registry import finish, freeze, maps_in, refused
from darboux.deploy._symmetry_layers import FrozenStride
from darboux.fields import (
    AntisymmetricField,
    GradientField,
    ResidualField,
    VectorField,
    ZhangSchaefferField,
)
from darboux.linear import LinearMap, Stencil
from darboux.linear._combined_map import stencil_of
from darboux.structure._arguments import checked
from darboux.structure._rules import by_class
from darboux.symmetry import EquivariantConv


@checked
@by_class(refused, parts=maps_in)
def increment(field: VectorField, h: float) -> nn.Module:
    """Return z -> h f(z) as plain layers.

    A field of one's own joins in by ``increment.register``.

    Raises:
        TypeError: if nobody taught it this field.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> len(increment(field, 0.5))
        3
    """
    del h
    msg = (
        f"freeze: expected a field that freeze knows; got {type(field).__name__}. Teach it with "
        "darboux.deploy.increment.register."
    )
    raise TypeError(msg)


@increment.register(ResidualField)
@increment.register(AntisymmetricField)
def _(field: ResidualField | AntisymmetricField, h: float) -> nn.Module:
    inner, sigma, scale = affine_layers(
        stencil_of_map(field.map), field.map.shift(field.bias), field.activation
    )
    weight = torch.as_tensor(h) if scale is None else h * scale
    return nn.Sequential(inner, sigma, ChannelScale(weight.to(field.bias.dtype)))


@increment.register
def _(field: GradientField, h: float) -> nn.Module:
    inner, sigma, scale = affine_layers(
        stencil_of_map(field.map), field.map.shift(field.bias), field.activation
    )
    outer = stencil_of_map(field.map)
    metric = field.scale()
    for factor in (metric, scale):
        outer = outer if factor is None else scaled_rows(outer, factor)
    return nn.Sequential(inner, sigma, layer(scaled_rows(outer.adjoint(), -h)))


@increment.register
def _(field: ZhangSchaefferField, h: float) -> nn.Module:
    inner, sigma, scale = affine_layers(
        stencil_of_map(field.map_1), field.map_1.shift(field.bias_1), field.activation
    )
    outer = stencil_of_map(field.map_2)
    if scale is not None:
        outer = scaled_rows(outer.adjoint(), scale).adjoint()
    return nn.Sequential(
        inner, sigma, layer(scaled_rows(outer, -h), bias=h * field.map_2.shift(field.bias_2))
    )


def affine_layers(
    stencil: Stencil, bias: Tensor | None, activation: nn.Module
) -> tuple[nn.Module, nn.Module, Tensor | None]:
    """Return the layers of σ(Az + b) = l τ((Az + b) / l), with 1/l folded in, and l."""
    sigma, scale = activation_layer(activation)
    if scale is None:
        return layer(stencil, bias), sigma, None
    scale = scale.expand(stencil.weight.shape[0])
    folded = None if bias is None else bias.detach().double().flatten() / scale
    return layer(scaled_rows(stencil, 1 / scale), folded), sigma, scale


def stencil_of_map(linear: nn.Module) -> Stencil:
    """Return the one stencil of a map."""
    try:
        return stencil_of(cast("LinearMap", linear))
    except TypeError as error:
        msg = f"freeze: expected maps that are one stencil (Dense, Conv, SkewPart, ...). {error}"
        raise TypeError(msg) from error


@freeze.register
def _(module: Affine) -> nn.Module:
    linear, shift = module.map, module.map.shift(module.bias)
    if isinstance(linear, EquivariantConv) and linear.stride == 2:
        return finish(FrozenStride(linear.whole(), shift))
    return layer(stencil_of_map(linear), shift)
