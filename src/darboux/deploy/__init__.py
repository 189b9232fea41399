"""Deployment: `freeze` turns a network into plain torch layers with equal output."""

import darboux.deploy.affine as _affine
import darboux.deploy.flows as _flows
import darboux.deploy.symmetry_layers as _symmetry_layers
from darboux.deploy.fields import increment
from darboux.deploy.flows import FrozenStep
from darboux.deploy.layers import ChannelScale, activation_layer, layer, scaled_rows
from darboux.deploy.lifts import FrozenLift, FrozenLifted
from darboux.deploy.registry import finish, freeze
from darboux.deploy.shears import FrozenShears, shear_layers
from darboux.deploy.strided import FrozenStride

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
