"""Activations σ with their slope range and antiderivative.

A theorem about σ(Az + b) needs two things of σ: the range of its slopes (stability) and
an antiderivative γ (energies). `Activation` is the contract.
Sharing one instance between fields shares its parameters. Where an activation is expected,
those of `torch.nn` that are here are taken as well: ``torch.nn.ReLU()`` becomes `ReLU`.
"""

import darboux.activations._from_torch as _from_torch
from darboux.activations._activation import Activation
from darboux.activations._clip import Clip
from darboux.activations._group_sort import GroupSort
from darboux.activations._lip_swish import LipSwish
from darboux.activations._piecewise_linear import Identity, LeakyReLU, ReLU
from darboux.activations._smooth import ELU, Sigmoid, Tanh
from darboux.activations._softplus import Softplus

del _from_torch

__all__ = [
    "ELU",
    "Activation",
    "Clip",
    "GroupSort",
    "Identity",
    "LeakyReLU",
    "LipSwish",
    "ReLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
]
