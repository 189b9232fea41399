"""Blocks of one convolution and one nonlinearity: plain, ours, frozen, and escnn's."""

from __future__ import annotations

import torch
from torch import nn

import darboux as dx
from darboux.symmetry import SO2, Cyclic, EquivariantConv, Feature, NormActivation, Pointwise

CHANNELS = 128
FIELDS = {
    "C8 regular": lambda: Feature(Cyclic(8), ["regular"] * 16),
    "SO(2), orders 0 and 1": lambda: Feature(SO2(), [0] * 64 + [1] * 32),
    "SO(2), order 1": lambda: Feature(SO2(), [1] * 64),
}


def plain(kernel):
    return nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, kernel, padding=kernel // 2), nn.ReLU())


def ours(fields, nonlinearity, kernel):
    feature = FIELDS[fields]()
    conv = EquivariantConv(feature, feature, kernel_size=kernel, dim=2, padding_mode="zeros")
    pointwise = nonlinearity == "relu"
    last = Pointwise(feature, dx.activations.ReLU()) if pointwise else NormActivation(feature)
    return nn.Sequential(dx.compose.Affine(conv), last)


def peer(fields, nonlinearity, kernel):
    """The same kind of block in escnn, as a function of a plain tensor and its parameters."""
    from escnn import gspaces
    from escnn import nn as enn

    if fields == "C8 regular":
        space = gspaces.rot2dOnR2(8)
        feature = enn.FieldType(space, 16 * [space.regular_repr])
    else:
        space = gspaces.rot2dOnR2(-1, maximum_frequency=2)
        trivial = [space.trivial_repr] * (64 if "0" in fields.split(",")[1] else 0)
        count = (CHANNELS - len(trivial)) // 2
        feature = enn.FieldType(space, trivial + count * [space.irrep(1)])
    last = enn.ReLU(feature) if nonlinearity == "relu" else enn.NormNonLinearity(feature, "n_relu")
    block = enn.SequentialModule(enn.R2Conv(feature, feature, kernel, padding=kernel // 2), last)
    return lambda x: block(enn.GeometricTensor(x, feature)).tensor, list(block.parameters())


def training_step(function, parameters, x):
    """Forward and backward, with the gradient of the input."""
    for tensor in (*parameters, x):
        tensor.grad = None
    loss = function(x).square().mean()
    loss.backward()
    return loss.detach()


def image(batch, size):
    return torch.randn(batch, CHANNELS, size, size, requires_grad=True)
