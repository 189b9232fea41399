"""Deployment: `freeze` turns a network into plain torch layers with equal output."""

import darboux.deploy._fields as _affine
import darboux.deploy._flows as _flows
import darboux.deploy._symmetry_layers as _symmetry_layers
from darboux.deploy._fields import increment
from darboux.deploy._flows import FrozenStep
from darboux.deploy._layers import ChannelScale, activation_layer, layer, scaled_rows
from darboux.deploy._lifts import FrozenLift, FrozenLifted
from darboux.deploy._registry import finish, freeze
from darboux.deploy._shears import FrozenShears, shear_layers
from darboux.deploy._symmetry_layers import FrozenStride

del _affine, _flows, _symmetry_layers

__all__ = [
    "ChannelScale",
    "FrozenLift",
    "FrozenLifted",
    "FrozenShears",
    "FrozenStep",
    "FrozenStride",
    "activation_layer",
    "finish",
    "freeze",
    "increment",
    "layer",
    "scaled_rows",
    "shear_layers",
]
