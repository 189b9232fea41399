"""What rounding does to the values of a map: a running error analysis by small random errors."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

UNDECIDED = 1e-2  # relative errors beyond which a value says nothing

_DRAWS = 3

_SAFETY = 8.0  # the largest of a few draws may be that much too small

_LONGER = 1.5  # times the operations without errors: an iteration that does not stop

_UNIT = 2.0**9  # the least errors that are made, in units of the format they are made in

_ALONE = 16.0  # operations that an error of the input alone stands for


def error_bounds(
    call: Callable[[Tensor], Tensor],
    points: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    scale: float = 0.0,
) -> Tensor:
    """Return by how much rounding in a format of precision eps may change φ(x), (P,) norms.

    The map runs once as it is, and on a few copies with a relative random error after every
    operation, as large against the terms of sums as rounding is. What comes of it, per unit of
    error, is a property of the map in exact arithmetic: faults of one precision do not enter.
    Iterations that stop at rounding are as exact as points of size `scale` are.
    """
    copies = points.repeat(_DRAWS, *(1,) * (points.ndim - 1))
    counter, small = _Errors(0.0, generator), _UNIT * torch.finfo(points.dtype).eps
    with torch.no_grad():
        with counter:
            exact = call(points)
        most = _LONGER * counter.operations
        units = dict.fromkeys((max(eps, small), small))
        errors = [_Errors(unit, generator, most=most) for unit in units]
        moved, unit = _moved(call, copies, errors, scale)
    apart = moved.unflatten(0, (_DRAWS, len(points))) - exact
    lengths = apart.flatten(2).double().norm(dim=2).nan_to_num(torch.inf, torch.inf, torch.inf)
    return _SAFETY * lengths.amax(dim=0).to(points.dtype) * (eps / unit)


def _moved(
    call: Callable[[Tensor], Tensor], points: Tensor, kinds: list[_Errors], scale: float
) -> tuple[Tensor, float]:
    """Return the values with errors made on the way, and how large these were."""
    # Errors as large as those of the format see kinks; but iterations that stop at rounding may
    # find no end among them, and none among any: then errors of the input stand for all. Those
    # that divide by the length of a step, as discrete gradients do, lose more at small points.
    for errors in kinds:
        try:
            with errors:
                return call(points), errors.unit
        except (ArithmeticError, AttributeError, NotImplementedError, RuntimeError, ValueError):
            continue
    lengths = torch.linalg.vector_norm(points.flatten(1), dim=1)
    near = (scale / lengths).clamp(min=1).nan_to_num(1.0)
    size = points.abs() + scale * near.reshape(-1, *(1,) * (points.ndim - 1))
    return call(points + _ALONE * errors.of(size)), errors.unit


@final
class _Errors(TorchDispatchMode):
    """Adds a random error of relative size `unit` after every operation that rounds."""

    def __init__(self, unit: float, generator: torch.Generator, *, most: float = math.inf) -> None:
        super().__init__()
        self.unit, self.generator, self.most, self.operations = unit, generator, most, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        del types
        kwargs = kwargs or {}
        self.operations += 1
        if self.operations > self.most:
            msg = f"more than {self.most:g} operations"
            raise ArithmeticError(msg)
        if not self.unit:
            return func(*args, **kwargs)
        kind = _kind(func)
        if kind == "exact" or not _reads(args):
            return func(*args, **kwargs)
        if kind == "sum":
            # the error of a sum of products is relative to the sum of their absolute values
            size = func(*tree_map(_absolute, args), **kwargs)
            return self._with_error(func(*args, **kwargs), size)
        if kind == "other":
            args = tree_map(self._with_error, args)
        value = func(*args, **kwargs)
        if kind == "writes":
            return value.copy_(self._with_error(value)) if _is_real(value) else value
        return self._with_error(value) if _is_real(value) else tree_map(self._with_error, value)

    def of(self, size: Tensor) -> Tensor:
        """Return errors up to `unit` times the size of each entry."""
        return self._noise(size) * size

    def _noise(self, like: Tensor) -> Tensor:
        dtype, device = like.real.dtype if like.is_complex() else like.dtype, self.generator.device
        noise = torch.empty(like.shape, dtype=dtype, device=device)
        return noise.uniform_(-self.unit, self.unit, generator=self.generator).to(like)

    def _with_error(self, value: Any, size: Tensor | None = None) -> Any:
        if not _is_real(value):
            return value
        # whole numbers are exact: masks, counts, indices
        moved = torch.addcmul(value, self._noise(value), value if size is None else size)
        return moved if value.is_complex() else torch.where(value == value.round(), value, moved)


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def _absolute(value: Any) -> Any:
    return value.abs() if _is_real(value) else value


def _reads(args: tuple[Any, ...]) -> bool:
    """Return whether an operation reads numbers: constants are as exact as they are."""
    return any(
        any(map(_is_real, arg)) if isinstance(arg, (list, tuple)) else _is_real(arg) for arg in args
    )


@functools.cache
def _kind(func: Any) -> str:
    """Return what errors an operation makes."""
    name = func.overloadpacket.__name__
    if func.is_view or name.rstrip("_") in _EXACT:
        return "exact"
    if name in _SUMS:
        return "sum"
    if func._schema.is_mutable:
        return "writes"
    return "pointwise" if torch.Tag.pointwise in func.tags else "other"


_SUMS = {
    "mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot", "convolution", "sum", "mean", "cumsum",
    "_conv_depthwise2d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d",
}  # fmt: skip

_EXACT = {
    "abs", "alias", "cat", "clamp", "clamp_min", "clamp_max", "clone", "constant_pad_nd", "copy",
    "detach", "empty_like", "eq", "expand", "fill", "flip", "gather", "ge", "gt", "hardtanh",
    "index", "index_put", "index_select", "isfinite", "isnan", "le", "leaky_relu", "lift_fresh",
    "lt", "masked_fill", "max", "max_pool2d_with_indices", "maximum", "min", "minimum", "ne", "neg",
    "new_empty", "new_zeros", "ones_like", "relu", "repeat", "roll", "scatter", "select_scatter",
    "sign", "slice_scatter", "sort", "stack", "threshold", "tril", "triu", "where", "zero",
    "zeros_like", "_unsafe_view", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
    "replication_pad2d", "_local_scalar_dense", "item", "amax", "amin", "topk", "nonzero",
}  # fmt: skip
