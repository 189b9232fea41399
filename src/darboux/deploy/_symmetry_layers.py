"""Frozen nonlinearities, poolings and resampling of features."""

from __future__ import annotations

from collections.abc import Callable
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
    known,
    padded,
)
from darboux.linear import Stencil
from darboux.structure._arguments import checked
from darboux.structure._module import Module
from darboux.symmetry import EquivariantConv
from darboux.symmetry._layers.equivariant_conv import stride_apply
from darboux.symmetry._nonlinear.field_norm import FieldNorm
from darboux.symmetry._nonlinear.fourier import FourierActivation
from darboux.symmetry._nonlinear.gated import GatedActivation
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.symmetry._nonlinear.pointwise import Pointwise
from darboux.symmetry._nonlinear.pooling import GroupPooling, SpacePooling
from darboux.symmetry._nonlinear.resample import Downsample, Upsample
from darboux.symmetry._nonlinear.tensor_product import TensorProductActivation

_Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d


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
class FrozenStride(Module):
    """A convolution of stride 2, between neighbours along axes of another parity than the kernel.

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

    # The points that are kept lie at 0, 2, ... along an odd axis, and between two pixels along an
    # even one. Where sizes are known the kernel is averaged, which is faster. In an export they are
    # not, and a branch would be that of the example: there the image is, by shares.

    @checked
    def __init__(self, stencil: Stencil, bias: Tensor | None = None) -> None:
        super().__init__()
        weight = stencil.weight.detach()
        outer, inner, *kernel = weight.shape
        kinds: tuple[Callable[..., _Conv], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
        conv = kinds[stencil.dim - 1](inner, outer, tuple(kernel), stride=2, bias=bias is not None)
        conv.weight = nn.Parameter(weight.clone().contiguous())
        if bias is not None:
            conv.bias = nn.Parameter(bias.detach().reshape(-1).to(weight.dtype).clone())
        self.conv, self.kernel, self.padding_mode = conv, kernel, stencil.padding_mode

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution at every second point."""
        if known(x.shape[2:]):
            return stride_apply(x, self.conv.weight, self.padding_mode, self.conv.bias)
        for axis, k in enumerate(self.kernel, start=2):
            n = x.shape[axis]
            around = padded(x, axis, (k // 2, k - k // 2), self.padding_mode)
            share = 0.5 * ((k + n) % 2)
            if k % 2 == 0:
                share = 1 - share
            before, after = around.narrow(axis, 0, n + k - 1), around.narrow(axis, 1, n + k - 1)
            x = (1 - share) * before + share * after
        y: Tensor = self.conv(x)
        return y


@freeze.register
def _(module: EquivariantConv) -> nn.Module:
    if module.stride == 2:
        return finish(FrozenStride(module.whole()))
    return layer(module.stencil())
