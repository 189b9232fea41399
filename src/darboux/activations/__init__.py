"""Activations σ with their slope range and antiderivative.

A theorem about σ(Az + b) needs two things of σ: the range of its slopes (stability) and
an antiderivative γ (energies). `Activation` is the contract, one file holds one σ.
Sharing one instance between fields shares its parameters.
"""

from darboux.activations.activation import Activation
from darboux.activations.clip import Clip
from darboux.activations.elu import ELU
from darboux.activations.group_sort import GroupSort
from darboux.activations.identity import Identity
from darboux.activations.leaky_relu import LeakyReLU
from darboux.activations.lip_swish import LipSwish
from darboux.activations.relu import ReLU
from darboux.activations.sigmoid import Sigmoid
from darboux.activations.softplus import Softplus
from darboux.activations.tanh import Tanh

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
