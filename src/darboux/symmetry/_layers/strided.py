"""Convolutions that keep every second pixel, symmetric about the centre of the image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)

_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


def matched(weight: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return a kernel of the parity of the size along every axis."""
    # The points that are kept lie at 0, 2, ..., n-1 for odd n, and between the pixels 2k and
    # 2k + 1 for even n. A kernel of the other parity is averaged over two neighbours.
    for axis, n in enumerate(size, start=2):
        if (weight.shape[axis] - n) % 2:
            pads = [0, 0] * (weight.ndim - 1 - axis)
            weight = 0.5 * (F.pad(weight, [*pads, 0, 1]) + F.pad(weight, [*pads, 1, 0]))
    return weight


def stride_apply(
    x: Tensor, weight: Tensor, padding_mode: str, bias: Tensor | None = None
) -> Tensor:
    """Return the convolution at every second point, (batch, out, *⌈n/2⌉)."""
    kernel = matched(weight, tuple(x.shape[2:]))
    bias = None if bias is None else bias.reshape(-1)
    before = [(k - 1) // 2 for k in kernel.shape[2:]]
    if padding_mode == "circular":
        for axis, index in _around(x.shape[2:], before, x.device):
            x = x.index_select(axis, index)
        before = [0] * len(before)
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    if x.ndim == 5 and x.device.type == "cpu" and dtype == torch.bfloat16:
        # oneDNN is wrong by 100 % in bfloat16 where one axis of the result is a single voxel
        with torch.autocast("cpu", enabled=False):
            bias = None if bias is None else bias.float()
            y = F.conv3d(x.float(), kernel.float(), bias, stride=2, padding=before)
            return y.to(dtype)
    return _CONVOLUTIONS[x.ndim - 3](x, kernel, bias, stride=2, padding=before)


def stride_adjoint(y: Tensor, weight: Tensor, padding_mode: str, size: tuple[int, ...]) -> Tensor:
    """Return the adjoint on images of a given size."""
    if y.ndim != weight.ndim or tuple((n + 1) // 2 for n in size) != tuple(y.shape[2:]):
        msg = (
            f"Expected an image of half the size {tuple(size)}, rounded up; got shape "
            f"{tuple(y.shape)}. Use restore(y, size=x.shape[2:])."
        )
        raise ValueError(msg)
    kernel = matched(weight, size)
    before = [(k - 1) // 2 for k in kernel.shape[2:]]
    transposed = _TRANSPOSED[y.ndim - 3]
    if padding_mode == "zeros":
        return transposed(y, kernel, stride=2, padding=before)
    full = transposed(y, kernel, stride=2)
    for axis, index in _around(size, before, y.device):
        shape = list(full.shape)
        shape[axis] = size[axis - 2]
        full = full.new_zeros(shape).index_add(axis, index, full)
    return full


def _around(
    size: tuple[int, ...], before: list[int], device: torch.device
) -> list[tuple[int, Tensor]]:
    """Return for each axis the pixels that a periodic image shows, `before` more at both ends."""
    return [
        (axis, torch.arange(-p, n + p, device=device) % n)
        for axis, (n, p) in enumerate(zip(size, before, strict=True), start=2)
    ]
