"""Maps and activations in turn, with products of vectors with the Jacobian by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import final

import torch
from torch import Tensor, nn

from darboux.activations import Activation, LipSwish
from darboux.activations._softplus import softplus
from darboux.activations._swish import Swish, swish
from darboux.linear import Stencil
from darboux.structure._rules import departure, ours


@final
class Layered:
    """f(x) = A_n σ(... σ(A_1 x + b_1) ...) + b_n with its kernels computed once, for many x."""

    def __init__(
        self, maps: Sequence[Stencil], biases: Sequence[Tensor], activations: Sequence[nn.Module]
    ) -> None:
        self.maps, self.activations = maps, activations
        self.sigmas = [_prepared(a, maps[0].weight.dtype) for a in activations]
        self.first, *self.rest = [map.prepare(bias) for map, bias in zip(maps, biases, strict=True)]

    def at(self, context: Tensor) -> Layered:
        """Return x -> f(x, c) for a context, further channels of x."""
        found, first = copy(self), self.first
        found.first = lambda x: first(torch.cat([x, context], dim=1))
        return found

    def __call__(self, x: Tensor) -> Tensor:
        """Return f(x)."""
        y = self.first(x)
        for sigma, layer in zip(self.sigmas, self.rest, strict=True):
            y = layer(sigma(y))
        return y

    @property
    def diagonal(self) -> bool:
        """Whether every σ' is a diagonal; those of others, or with hooks, may mix entries."""
        return all(_is_elementwise(activation) for activation in self.activations)

    def linearised(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return f(x) and v -> f'(x)ᵀ v = A_1* σ' ... σ' A_n* v, for diagonal σ'."""
        y, slopes = self.first(x), []
        for activation, layer in zip(self.activations, self.rest, strict=True):
            y, slope = _with_slope(activation, y)
            slopes.append(slope)
            y = layer(y)
        first, *others = [map.adjoint().prepare() for map in self.maps]
        back = [*zip(others, slopes, strict=True)][::-1]

        def pull(v: Tensor) -> Tensor:
            for adjoint, slope in back:
                v = adjoint(v) * slope
            return first(v)[:, : x.shape[1]]

        return y, pull


def does_what_we_wrote(module: nn.Module) -> bool:
    """Return whether a module does what its class does, and the class is one of ours."""
    kind = type(module)
    return ours(module) is kind and not departure(module, kind)


def _is_elementwise(activation: nn.Module) -> bool:
    return (
        isinstance(activation, Activation)
        and activation.separable
        and does_what_we_wrote(activation)
    )


def _prepared(activation: nn.Module, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return σ for many x of a dtype."""
    if type(activation) is LipSwish and not departure(activation, LipSwish):
        sharpness = softplus(activation.beta.to(dtype))
        return lambda x: swish(x, sharpness)
    return activation


def _with_slope(activation: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return σ(x) and σ'(x) of a function of one real variable."""
    if isinstance(activation, LipSwish):
        return Swish.apply(x, softplus(activation.beta.to(x.dtype)))
    outer = torch.is_grad_enabled()
    with torch.enable_grad():
        start = x if outer and x.requires_grad else x.detach().requires_grad_()
        value = activation(start)
        ones = torch.ones_like(value)
        (slope,) = torch.autograd.grad(value, start, ones, create_graph=outer)
    return (value, slope) if outer else (value.detach(), slope)
