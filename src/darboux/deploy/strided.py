"""Frozen convolutions of stride 2, symmetric about the centre of the image."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import final

from torch import Tensor, nn

from darboux.deploy.layers import layer
from darboux.deploy.registry import finish, freeze
from darboux.linear import Stencil
from darboux.symmetry import EquivariantConv
from darboux.symmetry.layers.strided import matched


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
        padding_mode=stencil.padding,
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
