"""Plain torch layers that compute what a stencil or an activation does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from darboux import activations
from darboux.deploy._registry import finish, freeze
from darboux.linear import Stencil, StencilMap
from darboux.structure._arguments import checked
from darboux.structure._module import Module

_CONV: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}

_PAD: dict[str, dict[int, Callable[..., nn.Module]]] = {
    "zeros": {1: nn.ZeroPad1d, 2: nn.ZeroPad2d, 3: nn.ZeroPad3d},
    "circular": {1: nn.CircularPad1d, 2: nn.CircularPad2d, 3: nn.CircularPad3d},
}


@checked
def layer(stencil: Stencil, bias: Tensor | None = None) -> nn.Module:
    """Return a linear layer or a convolution that computes A x + b.

    Asymmetric supports (even kernels and their adjoints) get an explicit padding layer.

    Example:
        >>> import darboux as dx
        >>> type(layer(dx.linear.Dense(2, 3).stencil())).__name__
        'Linear'
    """
    weight = stencil.weight.detach()
    outer, inner, *taps = weight.shape
    if not taps:
        return _filled(nn.Linear(inner, outer, bias=bias is not None), weight, bias)
    dim = len(taps)
    before = [-first for first in stencil.origin]
    after = [k - 1 - left for k, left in zip(taps, before, strict=True)]
    if before == after:
        conv = _CONV[dim](
            inner,
            outer,
            tuple(taps),
            padding=tuple(before),
            padding_mode=stencil.padding_mode,
            bias=bias is not None,
        )
        return _filled(conv, weight, bias)
    conv = _CONV[dim](inner, outer, tuple(taps), bias=bias is not None)
    pads = tuple(p for pair in reversed(list(zip(before, after, strict=True))) for p in pair)
    return finish(nn.Sequential(_PAD[stencil.padding_mode][dim](pads), _filled(conv, weight, bias)))


@checked
def scaled_rows(stencil: Stencil, scale: Tensor | float) -> Stencil:
    """Return diag(s) A.

    Example:
        >>> import torch, darboux as dx
        >>> stencil = dx.linear.Dense(2, 3).stencil()
        >>> bool((scaled_rows(stencil, 2.0).weight == 2 * stencil.weight).all())
        True
    """
    weight = stencil.weight
    factor = torch.as_tensor(scale, dtype=torch.float64, device=weight.device)
    factor = factor.reshape(-1, *(1,) * (weight.ndim - 1))
    return replace(stencil, weight=(weight.double() * factor).to(weight.dtype))


@checked
def activation_layer(activation: nn.Module) -> tuple[nn.Module, Tensor | None]:
    """Return a torch layer τ and l, or None for 1, with σ(x) = l τ(x / l) per channel.

    Example:
        >>> import darboux as dx
        >>> activation_layer(dx.activations.Clip(threshold=2.0))
        (Hardtanh(min_val=-1.0, max_val=1.0), tensor([2.], dtype=torch.float64))
    """
    frozen = freeze(activation)  # refuses what does something else than its class
    rule = next(cls for cls in type(activation).__mro__ if cls in freeze.registry)
    if isinstance(activation, activations.Clip) and rule is activations.Clip:
        return nn.Hardtanh(), activation.threshold.detach().double().flatten()
    return frozen, None


@final
class ChannelScale(Module):
    """Multiply every channel by its own constant.

    Example:
        >>> ChannelScale(torch.tensor([2.0]))(torch.ones(1, 1, 2))
        tensor([[[2., 2.]]])
    """

    @checked
    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.scale = nn.Buffer(scale.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return diag(scale) x."""
        return x * self.scale.reshape(-1, *(1,) * (x.ndim - 2))


def _filled(module: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """Return the module with copies of the given values as its parameters."""
    module.weight = nn.Parameter(weight.detach().clone().contiguous())
    if bias is not None:
        module.bias = nn.Parameter(bias.detach().reshape(-1).to(weight.dtype).clone())
    return finish(module)


@freeze.register
def _(module: StencilMap) -> nn.Module:
    return layer(module.stencil())


@freeze.register
def _(module: activations.ReLU) -> nn.Module:
    del module
    return nn.ReLU()


@freeze.register
def _(module: activations.LeakyReLU) -> nn.Module:
    return nn.LeakyReLU(module.slope)


@freeze.register
def _(module: activations.Tanh) -> nn.Module:
    del module
    return nn.Tanh()


@freeze.register
def _(module: activations.Sigmoid) -> nn.Module:
    del module
    return nn.Sigmoid()


@freeze.register
def _(module: activations.Identity) -> nn.Module:
    del module
    return nn.Identity()


@freeze.register
def _(module: activations.Softplus) -> nn.Module:
    return nn.Softplus(beta=module.beta, threshold=40.0)  # as in the activation itself


@freeze.register
def _(module: activations.Clip) -> nn.Module:
    scale = module.threshold.detach().flatten()
    return nn.Sequential(ChannelScale(1 / scale), nn.Hardtanh(), ChannelScale(scale))
