"""Frozen nonlinearities, poolings and resampling of features."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import final

import torch
from torch import Tensor, nn

from darboux.deploy._layers import layer
from darboux.deploy._registry import finish, freeze
from darboux.deploy._symmetry_parts import (
    ChannelMatrices,
    FrozenGate,
    FrozenNormActivation,
    FrozenPooling,
    FrozenProducts,
    FrozenResample,
)
from darboux.linear import Stencil
from darboux.symmetry import EquivariantConv
from darboux.symmetry._layers.equivariant_conv import matched
from darboux.symmetry._nonlinear.field_norm import FieldNorm
from darboux.symmetry._nonlinear.fourier import FourierActivation
from darboux.symmetry._nonlinear.gated import GatedActivation
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.symmetry._nonlinear.pointwise import Pointwise
from darboux.symmetry._nonlinear.pooling import GroupPooling, SpacePooling
from darboux.symmetry._nonlinear.resample import Downsample, Upsample
from darboux.symmetry._nonlinear.tensor_product import TensorProductActivation


@final
class FrozenMean(nn.Module):
    """The mean over all pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean over the spatial axes."""
        return x.flatten(2).mean(2)


@final
class ChannelAffine(nn.Module):
    """A scale and a shift for each channel."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Buffer(weight.clone()), nn.Buffer(bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return w x + b."""
        axes = (-1, *(1,) * (x.ndim - 2))
        return x * self.weight.reshape(axes) + self.bias.reshape(axes)


@freeze.register
def _(module: Pointwise) -> nn.Module:
    return finish(freeze(module.activation))


@freeze.register
def _(module: NormActivation) -> nn.Module:
    return finish(FrozenNormActivation(module))


@freeze.register
def _(module: GatedActivation) -> nn.Module:
    return finish(FrozenGate(module))


@freeze.register
def _(module: TensorProductActivation) -> nn.Module:
    return finish(FrozenProducts(module))


@freeze.register
def _(module: FourierActivation) -> nn.Module:
    counts = [count for count, _ in module.runs]
    values = [matrix * len(matrix) ** 0.5 for matrix in module.matrices(torch.float64)]
    back = [matrix.T / len(matrix) for matrix in values]
    there = ChannelMatrices(values, counts)
    layers = (there, freeze(module.activation), ChannelMatrices(back, counts))
    return finish(nn.Sequential(*layers))


@freeze.register
def _(module: GroupPooling) -> nn.Module:
    if module.how != "mean":
        return finish(FrozenPooling(module.runs, how=module.how))
    runs = module.source.runs()
    vectors = [kind.invariants()[:, 0].unsqueeze(0) for kind, _ in runs]
    return finish(ChannelMatrices(vectors, [count for _, count in runs]))


@freeze.register
def _(module: SpacePooling) -> nn.Module:
    del module
    return finish(FrozenMean())


@freeze.register
def _(module: FieldNorm) -> nn.Module:
    return finish(ChannelAffine(*(part.detach() for part in module.affine())))


@freeze.register(Downsample)
@freeze.register(Upsample)
def _(module: Downsample | Upsample) -> nn.Module:
    return finish(FrozenResample(module.padding_mode, larger=isinstance(module, Upsample)))


@final
class FrozenStride(nn.Module):
    """Plain convolutions of stride 2, one for each parity of the sizes along the axes.

    Shapes: x is (batch, in, *space), the result is (batch, out, *⌈space/2⌉).

    Args:
        stencil: the kernel at stride 1, with its padding.
        bias: anything with `out` entries, or None.

    Example:
        >>> import torch
        >>> stencil = Stencil(torch.ones(1, 1, 3, 3), (-1, -1), "zeros")
        >>> FrozenStride(stencil)(torch.ones(1, 1, 5, 4)).shape
        torch.Size([1, 1, 3, 2])
    """

    def __init__(self, stencil: Stencil, bias: Tensor | None = None) -> None:
        super().__init__()
        sizes = product((0, 1), repeat=stencil.dim)
        self.layers = nn.ModuleDict({_name(size): _layer(stencil, bias, size) for size in sizes})

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution for the parity of x."""
        y: Tensor = self.layers[_name(tuple(n % 2 for n in x.shape[2:]))](x)
        return y


def _name(parity: tuple[int, ...]) -> str:
    return "x".join("odd" if p else "even" for p in parity)


def _layer(stencil: Stencil, bias: Tensor | None, size: tuple[int, ...]) -> nn.Module:
    weight = matched(stencil.weight.detach(), size)
    outer, inner, *kernel = weight.shape
    kinds: tuple[Callable[..., nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    conv = kinds[stencil.dim - 1](
        inner,
        outer,
        tuple(kernel),
        stride=2,
        padding=tuple((k - 1) // 2 for k in kernel),
        padding_mode=stencil.padding_mode,
        bias=bias is not None,
    )
    conv.weight = nn.Parameter(weight.clone().contiguous())
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().reshape(-1).to(weight.dtype).clone())
    return conv


@freeze.register
def _(module: EquivariantConv) -> nn.Module:
    if module.stride == 2:
        return finish(FrozenStride(module.whole()))
    return layer(module.stencil())
