"""A map on points: the form in which attacks call a module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from darboux.certification._rounding import UNDECIDED, error_bounds
from darboux.certification._target import Target

Map = Callable[[Tensor], Tensor]

_MEMORY = 2**24  # bytes of activations of one call: more would leave the caches

_PER_ENTRY = 100.0  # operations that the attack itself spends on every entry of a point

_PER_BYTE = 25.0  # operations in the time that moving a byte of activations takes

_EXPENSIVE = 1e8  # operations beyond which float32 is worth its noise

_ENTRIES = 2**24  # of all points that are held at a time

_CHEAP = 256  # points that are tried at least of a map that makes few calls

_CALLS = 50_000  # of torch, for the points that are tried at least

_TOGETHER = 12  # points that are whole batches, which are called one by one

_AFFINE_POINTS = 16  # an affine map has the same Jacobian everywhere


@final
class Problem:
    """A map from points to values, sample by sample, with what calling it costs."""

    # A batch is a set of points. Where the samples of a batch influence one another the
    # whole batch is one point, and `mixes` says so.

    def __init__(
        self, call: Map, target: Target, *, twin: Map | None = None, mixes: bool | None = None
    ) -> None:
        self.target = target
        self.mixes = _mixes(call, target) if mixes is None else mixes
        self.call: Map = _one_by_one(call) if self.mixes else call
        self.points = target.inputs[None] if self.mixes else target.inputs
        self.shape = tuple(self.points.shape[1:])
        self.size = max(1, self.points[0].numel())
        parameters = (*target.module.parameters(), *target.module.buffers())
        counted, held = _cost(self.call, self.points[:1], known=parameters)
        self.least = min(_CHEAP, _CALLS // max(1, counted.calls))
        self.operations = counted.total + _PER_BYTE * held + _PER_ENTRY * self.size
        self.twin = _one_by_one(twin) if twin is not None and self.mixes else twin
        self.is_coarse = self._is_fine and self.operations > _EXPENSIVE
        self.search: Map = self.twin if self.twin is not None and self.is_coarse else self.call
        self.chunk = int(min(4096, max(1, _MEMORY // max(held, 1))))
        self.affine = self._seems_affine()

    def __call__(self, points: Tensor) -> Tensor:
        """Return the values at points, a few at a time, without derivatives."""
        with torch.no_grad():
            values = torch.cat([self.call(part.clone()) for part in points.split(self.chunk)])
        if not bool(values.isfinite().all()):
            self._lose(points, values)
        return values

    def _lose(self, points: Tensor, values: Tensor) -> None:
        """Tell the target of values that are not finite where overflow is no excuse."""
        bad = ~values.isfinite().reshape(len(points), -1).all(dim=1)
        reach = norms(self.points).max().clamp(min=self.target.scale * self.size**0.5)
        self.target.lost.append(int((bad & (norms(points) <= 2 * reach)).sum()))

    def rounding(self, points: Tensor, *, then: Problem | None = None) -> Tensor:
        """Return by how much rounding in the dtype of the attack may change φ(x), (P,) norms.

        With another problem, it is that of the values of both, one after the other.
        """
        dtype, first = self.target.inputs.dtype, self.exact
        second = None if then is None else then.exact
        call = first if second is None else lambda x: second(first(x))
        at = points if first is self.call else points.double()
        generator, eps = self.target.generator, torch.finfo(dtype).eps
        parts = at.split(self.chunk)
        scale = self.target.scale
        bounds = [
            error_bounds(call, part, eps=eps, generator=generator, scale=scale) for part in parts
        ]
        return torch.cat(bounds).to(points)

    def total(self, number: Map, points: Tensor) -> Tensor:
        """Return a number of each sample at points, its sum where a whole batch is one point."""
        if not self.mixes:
            return number(points)
        return torch.stack([number(point).sum() for point in points])

    @property
    def exact(self) -> Map:
        """The map in the finest precision that is at hand."""
        return self.call if self.twin is None or self._is_fine else self.twin

    @property
    def _is_fine(self) -> bool:
        return self.twin is not None and self.target.inputs.dtype == torch.float64

    def _seems_affine(self) -> bool:
        """Return whether φ(x + y) + φ(0) = φ(x) + φ(y) at several scales."""
        target = self.target
        if target.near or self.afford(target.effort.points, fraction=0.02) <= _AFFINE_POINTS:
            return False  # there is nothing to save, and the test would cost
        x, y = (target.randn(2, 4, *self.shape) * target.scale).unbind()
        scales = x.new_tensor([0.01, 0.3, 1.0, 100.0])
        x, y = x * spread(scales, x), y * spread(scales, y)
        fx, fy, whole, zero = self(x), self(y), self(x + y), self(torch.zeros_like(x[:1]))
        slack = 8 * target.rounding(self.size) * (norms(fx) + norms(fy) + norms(zero))
        return bool((norms(whole + zero - fx - fy) <= slack).all())

    def places(self, wanted: int) -> int:
        """Return how many different base points are worth trying and fit into memory."""
        room = _TOGETHER if self.mixes else max(4, _ENTRIES // self.size)
        return min(wanted, room, _AFFINE_POINTS if self.affine else wanted)

    def afford(self, wanted: int, *, fraction: float, calls: float = 1.0, least: int = 1) -> int:
        """Return how many of `wanted` points a fraction of the work pays for."""
        paid = self.target.work * fraction / (self.operations * calls)
        return int(max(least, min(wanted, paid)))

    def note(self) -> str:
        """Return a remark for the reader, "" where there is none."""
        if not self.mixes:
            return ""
        return "samples of the batch influence one another: the whole batch was one point"


def in_other_precision(target: Target, call: Map | None = None) -> Map | None:
    """Return the twin, or a map of it, from points of any dtype to float64 values, or None."""
    if target.twin is None:
        return None
    call = call or target.twin
    other = torch.float32 if target.inputs.dtype == torch.float64 else torch.float64
    return lambda points: call(points.to(other)).double()


def spread(weights: Tensor, like: Tensor) -> Tensor:
    """Return one weight per point, shaped to multiply points."""
    return weights.reshape(-1, *(1,) * (like.ndim - 1))


def norms(points: Tensor) -> Tensor:
    """Return the Euclidean norm of each point, (P,)."""
    return points.reshape(points.shape[0], -1).norm(dim=1)


def unit(points: Tensor) -> Tensor:
    """Return points of norm 1; zeros stay zeros."""
    tiny = torch.finfo(points.dtype).tiny
    return points / spread(norms(points).clamp(min=tiny), points)


def _one_by_one(call: Map) -> Map:
    return lambda points: torch.stack([call(point) for point in points])


def _mixes(call: Map, target: Target) -> bool:
    """Return whether a sample's value depends on its batch, or has no batch axis."""
    inputs = target.inputs
    noise = target.randn(1, *inputs.shape[1:]) * target.scale
    other = torch.cat([inputs[:1], inputs[:1] + noise if target.near else noise])
    with torch.no_grad():
        try:
            alone, together = call(inputs[:1]), call(other)
        except Exception:  # for instance batch norm with a single value
            return True
    if alone.shape[:1] != (1,) or together.shape[:1] != (2,):
        return True
    apart, size = float(norms(together[:1] - alone)), float(norms(together).max())
    slack = size * target.rounding(inputs[0].numel())
    if apart <= slack:
        return False
    # batches of other sizes may be summed in another order
    eps, generator = torch.finfo(inputs.dtype).eps, target.generator
    # one at a time, since copies in one batch may be mixed as well
    alone_at = inputs[:1].unsqueeze(0)
    slack += float(error_bounds(_one_by_one(call), alone_at, eps=eps, generator=generator))
    return apart > slack and slack < UNDECIDED * size


def _cost(
    call: Callable[[Tensor], Tensor], point: Tensor, *, known: Iterable[Tensor]
) -> tuple[_Operations, int]:
    """Return (operations, bytes kept for derivatives) of one evaluation."""
    # Only convolutions and products count as operations; what else a map does shows in the
    # bytes. Both depend on shapes alone, so the same effort means the same on any machine.
    # torch.utils.flop_counter breaks down on maps that differentiate on the way.
    held, addresses = 0, {tensor.data_ptr() for tensor in known}

    def count(tensor: Tensor) -> Tensor:
        nonlocal held
        if tensor.data_ptr() not in addresses:
            held += tensor.numel() * tensor.element_size()
        return tensor

    start = point.detach().clone().requires_grad_()
    counter = _Operations()
    counted = torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor)
    with torch.enable_grad(), counter, counted:
        call(start)
    return counter, held


class _Operations(TorchFunctionMode):
    """Counts calls, and the floating-point operations of convolutions and products."""

    def __init__(self) -> None:
        super().__init__()
        self.total, self.calls = 0.0, 0

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        value = func(*args, **(kwargs or {}))
        self.calls += 1
        rule = _RULES.get(getattr(func, "__name__", ""))
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        if rule is not None and isinstance(value, Tensor) and len(tensors) > 1:
            self.total += rule(tensors, value)
        return value


def _convolution(tensors: list[Tensor], value: Tensor) -> float:
    weight = tensors[1]
    return 2.0 * value.numel() * weight.numel() / max(1, weight.shape[0])


def _transposed(tensors: list[Tensor], value: Tensor) -> float:
    del value
    weight = tensors[1]
    return 2.0 * tensors[0].numel() * weight.numel() / max(1, weight.shape[0])


def _product(tensors: list[Tensor], value: Tensor) -> float:
    return 2.0 * value.numel() * tensors[-2 if len(tensors) == 3 else 0].shape[-1]


def _linear(tensors: list[Tensor], value: Tensor) -> float:
    return 2.0 * value.numel() * tensors[1].shape[-1]


_RULES: dict[str, Callable[[list[Tensor], Tensor], float]] = {
    **{f"conv{dim}d": _convolution for dim in (1, 2, 3)},
    **{f"conv_transpose{dim}d": _transposed for dim in (1, 2, 3)},
    **dict.fromkeys(("mm", "bmm", "matmul", "__matmul__", "addmm", "baddbmm"), _product),
    "linear": _linear,
}
