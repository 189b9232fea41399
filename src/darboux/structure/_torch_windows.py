"""The claims of layers of `torch.nn` that pool, pad and resample, on images of every size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from torch import nn

from darboux.structure._claim import Claim, Claims, Gap, Kind
from darboux.structure._metric import Isometric, Lipschitz
from darboux.structure._registry import claims_of

# All these maps work axis by axis, so that their constants multiply. A map that copies entries,
# each at most m times, has the norm √m. An example would tell the size of the image, and often a
# smaller constant; claims are for all sizes.

_POOLS = {
    getattr(nn, f"{kind}Pool{axes}d"): axes
    for kind in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg")
    for axes in (1, 2, 3)
}


def _copies(counts: list[float], reason: str) -> Claims:
    """Return the claim of a map of which the squares of the norms along the axes are given."""
    constant = math.sqrt(math.prod(counts))
    return Claims((Claim(Lipschitz(constant), Kind.CONSTRUCTION, reason),))


def _gap(reason: str) -> Claims:
    return Claims(gaps=(Gap("", reason),))


def _per_axis(module: nn.Module, *names: str) -> list[tuple[int, ...]]:
    """Return the options of a pooling layer, axis by axis."""
    axes = next(_POOLS[cls] for cls in type(module).__mro__ if cls in _POOLS)
    values = [getattr(module, name) for name in names]
    wide = [value if isinstance(value, tuple) else (value,) * axes for value in values]
    return list(zip(*wide, strict=True))


@claims_of.register(nn.MaxPool1d)
@claims_of.register(nn.MaxPool2d)
@claims_of.register(nn.MaxPool3d)
def _(module: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d) -> Claims:
    # |max x - max y|² <= Σ |x_j - y_j|² over a window; an entry counts once for each window that
    # holds it, which it does where it is larger than all others.
    if module.return_indices:
        return _gap("return_indices=True returns two tensors; use return_indices=False")
    axes = _per_axis(module, "kernel_size", "stride", "dilation")
    counts = [-(-kernel * math.gcd(stride, step) // stride) for kernel, stride, step in axes]
    reason = f"max-pooling: an entry is in {math.prod(counts)} windows at most"
    return _copies([float(count) for count in counts], reason)


@claims_of.register(nn.AvgPool1d)
@claims_of.register(nn.AvgPool2d)
@claims_of.register(nn.AvgPool3d)
def _(module: nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d) -> Claims:
    divisor = getattr(module, "divisor_override", None)
    axes = _per_axis(module, "kernel_size", "stride", "padding")
    mode = "sum" if divisor else "all" if module.count_include_pad else "inside"
    squares = [_averaging(*axis, ceil=module.ceil_mode, mode=mode) for axis in axes]
    squares.append(1.0 / (divisor or 1) ** 2)
    return _copies(squares, "average pooling: √ of the largest row sum times column sum, by axis")


@cache
def _averaging(kernel: int, stride: int, padding: int, *, ceil: bool, mode: str) -> float:
    """Return the row sum times the column sum of pooling an axis, the largest of all sizes."""
    # Schur's test. Sizes beyond two windows and a stride add nothing new: a window is cut at one
    # end only, and where the last one ends depends on the size modulo the stride. A column sum is
    # largest where a window starts.
    rows, columns = [], []
    for size in range(max(1, kernel - 2 * padding), 2 * kernel + stride + 1):
        windows = list(_windows(size, kernel, stride, padding, ceil=ceil, mode=mode))
        rows += [(end - start) * weight for start, end, weight in windows]
        columns += [sum(w for a, b, w in windows if a <= start < b) for start, _, _ in windows]
    return max(rows) * max(columns)


def _windows(
    size: int,
    kernel: int,
    stride: int,
    padding: int,
    *,
    ceil: bool,
    mode: str,
) -> Iterator[tuple[int, int, float]]:
    """Yield (start, end, weight of its entries) of the windows along an axis."""
    room = size + 2 * padding - kernel
    count = 1 + (-(-room // stride) if ceil else room // stride)
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1  # no window begins in the padding on the right
    for first in range(-padding, count * stride - padding, stride):
        last = min(first + kernel, size + padding)
        start, end = max(first, 0), min(last, size)
        yield start, end, 1 / {"sum": 1, "all": last - first, "inside": end - start}[mode]


@claims_of.register(nn.AdaptiveMaxPool1d)
@claims_of.register(nn.AdaptiveMaxPool2d)
@claims_of.register(nn.AdaptiveMaxPool3d)
@claims_of.register(nn.AdaptiveAvgPool1d)
@claims_of.register(nn.AdaptiveAvgPool2d)
@claims_of.register(nn.AdaptiveAvgPool3d)
def _(module: nn.Module) -> Claims:
    # An entry is in all windows of an axis at most, which it is where the axis has one entry.
    if getattr(module, "return_indices", False):
        return _gap("return_indices=True returns two tensors; use return_indices=False")
    windows = [float(size or 1) for (size,) in _per_axis(module, "output_size")]
    return _copies(windows, f"{math.prod(windows):g} windows, each at most 1-Lipschitz in its own")


@claims_of.register(nn.ConstantPad1d)
@claims_of.register(nn.ConstantPad2d)
@claims_of.register(nn.ConstantPad3d)
def _(module: nn.ConstantPad1d | nn.ConstantPad2d | nn.ConstantPad3d) -> Claims:
    if min(module.padding) < 0:
        return _copies([1.0], "padding by a constant, and cropping")
    return Claims((Claim(Isometric(), Kind.CONSTRUCTION, "padding by a constant"),))


@claims_of.register(nn.ReflectionPad1d)
@claims_of.register(nn.ReflectionPad2d)
@claims_of.register(nn.ReflectionPad3d)
@claims_of.register(nn.CircularPad1d)
@claims_of.register(nn.CircularPad2d)
@claims_of.register(nn.CircularPad3d)
@claims_of.register(nn.ReplicationPad1d)
@claims_of.register(nn.ReplicationPad2d)
@claims_of.register(nn.ReplicationPad3d)
def _(module: nn.Module) -> Claims:
    replicates = (nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d)
    mode = "replicate" if isinstance(module, replicates) else "reflect"
    copies = repetitions(mode, cast("tuple[int, ...]", module.padding))
    return _copies([float(copies)], f"padding repeats a pixel {copies} times at most")


def repetitions(mode: str, padding: tuple[int, ...]) -> int:
    """Return how often an entry occurs at most after padding: (left, right) of each axis."""
    # Reflection and periods copy an entry once for each side, some entry of a small image for
    # both; replication copies the border, on both sides where the axis has one entry.
    sides = zip(padding[::2], padding[1::2], strict=True)
    most = math.inf if mode == "replicate" else 1
    return math.prod(1 + int(sum(min(max(side, 0), most) for side in pair)) for pair in sides)


@claims_of.register
def _(module: nn.Upsample) -> Claims:
    known = {"nearest": 3, "nearest-exact": 3, "linear": 1, "bilinear": 2, "trilinear": 3}
    if module.mode not in known:
        return _gap(f"no constant is known for mode={module.mode!r}; use 'nearest' or 'bilinear'")
    axes = 2 if isinstance(module, nn.UpsamplingNearest2d) else known[module.mode]
    value = cast("Any", module.scale_factor if module.size is None else module.size)
    values = value if isinstance(value, tuple) else (value,) * axes
    if module.size is None:
        linear, align = "nearest" not in module.mode, bool(module.align_corners)
        copies = [_weight(float(scale), linear=linear, align=align) for scale in values]
    else:
        copies = [float(size) for size in values]  # an axis of one entry is copied to all
    reason = f"an entry has the weight {math.prod(copies):.6g} at most in the larger image"
    return _copies(copies, f"{reason}, of {len(values)} axes")


def _weight(scale: float, *, linear: bool, align: bool) -> float:
    """Return the largest column sum of interpolating an axis; row sums are 1 (Schur's test)."""
    # Σ f(x_i) <= ∫ f/d + max f for a unimodal f at points d apart: the hat function of an entry
    # has ∫ f = max f = 1, and 1/d is the scale s, but (n s - 1)/(n - 1) where corners are aligned,
    # at most (3 s - 1)/2 for n >= 3; both entries of n = 2 have half a hat. For a whole s and
    # corners that are not aligned, the sum is s, at the border too.
    if not linear:
        return max(1.0, math.ceil(scale))
    if align:
        return max(1.5 * scale - 0.5, scale) + 1
    return scale if scale.is_integer() else scale + 1
