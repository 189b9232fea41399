"""Frozen maps with a bias."""

from __future__ import annotations

from torch import nn

from darboux.compose import Affine
from darboux.deploy.fields import stencil_of_map
from darboux.deploy.layers import layer
from darboux.deploy.registry import finish, freeze
from darboux.deploy.strided import FrozenStride
from darboux.symmetry import EquivariantConv


@freeze.register
def _(module: Affine) -> nn.Module:
    linear, shift = module.map, module.map.shift(module.bias)
    if isinstance(linear, EquivariantConv) and linear.stride == 2:
        return finish(FrozenStride(linear.whole(), shift))
    return layer(stencil_of_map(linear), shift)
