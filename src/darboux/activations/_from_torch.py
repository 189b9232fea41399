"""The activations of `torch.nn` as ours, and what to write for names and functions."""

from __future__ import annotations

from typing import NoReturn

from torch import nn

from darboux.activations._activation import Activation, from_torch
from darboux.activations._piecewise_linear import Identity, LeakyReLU, ReLU
from darboux.activations._smooth import ELU, Sigmoid, Tanh
from darboux.activations._softplus import Softplus

_SAME = {nn.Identity: Identity, nn.ReLU: ReLU, nn.Sigmoid: Sigmoid, nn.Tanh: Tanh}

for _theirs, _ours in _SAME.items():
    from_torch.register(_theirs, lambda module, make=_ours: make())


@from_torch.register
def _(module: nn.LeakyReLU) -> Activation:
    return LeakyReLU(slope=module.negative_slope)


@from_torch.register
def _(module: nn.ELU) -> Activation:
    if module.alpha != 1:
        _refuse(f"ELU(alpha={module.alpha}), of which alpha=1 is known")
    return ELU()


@from_torch.register
def _(module: nn.Softplus) -> Activation:
    if module.threshold < 20:  # where it jumps by more than rounding
        _refuse(f"Softplus(threshold={module.threshold}), of which threshold >= 20 is known")
    return Softplus(beta=module.beta)


def _refuse(what: str) -> NoReturn:
    msg = f"It is {what}."
    raise TypeError(msg)
