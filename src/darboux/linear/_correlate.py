"""Correlation of an image with a kernel, at any offset and padding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def correlate(
    x: Tensor, weight: Tensor, origin: tuple[int, ...], padding_mode: str, bias: Tensor | None
) -> Tensor:
    """Return y(p) = Σ_t W(t) x(p + o + t) + b, of the size of x."""
    check_input(x, weight)
    bias = None if bias is None else bias.reshape(-1)
    if not origin:
        return F.linear(x, weight, bias)
    kernel = weight.shape[2:]
    left = [-o for o in origin]
    right = [o + k - 1 for o, k in zip(origin, kernel, strict=True)]
    convolution = (F.conv1d, F.conv2d, F.conv3d)[len(origin) - 1]
    if padding_mode == "zeros" and left == right:
        return convolution(x, weight, bias, padding=left)
    return convolution(_padded(x, left, right, padding_mode), weight, bias)


def _padded(x: Tensor, left: list[int], right: list[int], padding_mode: str) -> Tensor:
    if not any(left) and not any(right):
        return x
    if padding_mode == "zeros" or all(
        max(pads) <= n for n, *pads in zip(x.shape[2:], left, right, strict=True)
    ):
        pads = [p for pair in zip(reversed(left), reversed(right), strict=True) for p in pair]
        return F.pad(x, pads, mode="circular" if padding_mode == "circular" else "constant")
    # F.pad goes around an image at most once; small ones are gone around many times.
    for axis, (before, after) in enumerate(zip(left, right, strict=True), start=2):
        n = x.shape[axis]
        x = x.index_select(axis, torch.arange(-before, n + after, device=x.device) % n)
    return x


def check_input(x: Tensor, weight: Tensor) -> None:
    """Refuse an input that a kernel cannot be applied to."""
    if x.ndim != weight.ndim:
        msg = (
            f"Expected an input of {weight.ndim} axes (batch, channels, *space); got shape "
            f"{tuple(x.shape)}. Use unsqueeze(0) to add a missing batch axis."
        )
        raise ValueError(msg)
    if x.shape[1] != weight.shape[1]:
        msg = (
            f"Expected {weight.shape[1]} channels on axis 1; got shape {tuple(x.shape)}. "
            "Use a map whose in_features is that number."
        )
        raise ValueError(msg)
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        msg = (
            f"Expected an input of dtype {weight.dtype}, like the weight; got {x.dtype}. "
            "Use x.to(dtype), map.to(dtype), or torch.autocast."
        )
        raise TypeError(msg)
