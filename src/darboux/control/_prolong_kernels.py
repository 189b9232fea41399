"""Prolongation in space: convolutions of coarse images that act on images twice as fine."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from darboux.linear import Conv, FiniteDifference
from darboux.structure._arguments import checked
from darboux.symmetry import EquivariantConv, ScaleConv

M = TypeVar("M", bound=nn.Module)

_Plain = (Conv, nn.Conv1d, nn.Conv2d, nn.Conv3d)

_Others = (
    FiniteDifference,
    EquivariantConv,
    ScaleConv,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)

_FINER = ((2.0, 0.0, 0.0), (-1.0, 1.0, -1.0), (0.0, 0.0, 2.0))  # fine taps from coarse ones


@checked
def prolong_kernels(module: M) -> M:
    """Return a copy of a network whose convolutions act on images with twice the resolution.

    A fine convolution A_h stands for a coarse one where A_H = R A_h P: P repeats each pixel on each
    axis and R takes the mean of the 2^d fine pixels of a coarse one. For three taps an axis this
    has one solution, (a, b, c) -> (2a, b - a - c, 2c): means are kept and slopes doubled, for the
    distance of pixels is halved. It holds up to the border, for circular and zero padding alike;
    without padding images lose half as much of their border. Kernels of one tap stay. So a network
    that learns on images ``avg_pool2d(x, 2)``, for much less, is a start for x. What comes after
    the images, a head, has to expect the same number of features: pool to a fixed grid before it,
    as ``AdaptiveAvgPool2d`` does.

    Source: Haber, Ruthotto, Holtham and Jun 2017, Galerkin coarsening; Haber and Ruthotto 2017.

    Args:
        module: with convolutions of one or three taps an axis, and stride 1.

    Raises:
        TypeError: if a convolution is of another kind, or its kernel is constrained.
        ValueError: if a kernel has other sizes, or a stride or dilation, or there is none.

    Example:
        >>> import torch, darboux as dx
        >>> from torch.nn.functional import avg_pool2d, interpolate
        >>> coarse = dx.linear.Conv(1, 4, kernel_size=3, dim=2)
        >>> fine, x = dx.control.prolong_kernels(coarse), torch.randn(5, 1, 8, 8)
        >>> again = avg_pool2d(fine(interpolate(x, scale_factor=2)), 2)
        >>> torch.testing.assert_close(again, coarse(x))
    """
    found = deepcopy(module)
    kinds = (*_Plain, *_Others)
    layers = [(name, m) for name, m in found.named_modules() if isinstance(m, kinds)]
    if not layers:
        msg = f"prolong_kernels: expected a network with convolutions; got {module}."
        raise ValueError(msg)
    kernels = [_checked_kernel(name, layer) for name, layer in layers]
    with torch.no_grad():
        for kernel in {id(kernel): kernel for kernel in kernels}.values():  # some may be shared
            kernel.copy_(_finer(kernel))
    return found


def _finer(weight: Tensor) -> Tensor:
    """Return kernels (out, in, *taps) with the taps of the finer grid."""
    if set(weight.shape[2:]) == {1}:
        return weight
    for axis in range(2, weight.ndim):
        weight = torch.tensordot(weight, weight.new_tensor(_FINER), dims=([axis], [1]))
        weight = weight.movedim(-1, axis)
    return weight


def _checked_kernel(name: str, layer: nn.Module) -> Tensor:
    """Return the kernel, or refuse it."""
    what = f"prolong_kernels: {name or 'the module'} is {layer}"
    set_anew = "weight" not in layer._parameters  # by spectral_norm's hook
    if not isinstance(layer, _Plain) or is_parametrized(layer) or set_anew:
        msg = (
            f"{what}; expected Conv or torch.nn.Conv1d, 2d, 3d without a constraint, whose kernels "
            "may be any. Give the finer layer new weights."
        )
        raise TypeError(msg)
    kernel: Tensor = layer.weight
    taps = set(kernel.shape[2:])
    steps = {*getattr(layer, "stride", ()), *getattr(layer, "dilation", ())}
    if taps not in ({1}, {3}) or steps - {1}:
        msg = f"{what}; expected one or three taps an axis, without stride or dilation."
        raise ValueError(msg)
    return kernel
