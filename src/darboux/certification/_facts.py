"""What is found out about a map before it is attacked: whether samples mix, and its cost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from darboux.certification._rounding import UNDECIDED, error_bounds
from darboux.certification._target import Target

Map = Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True)
class Facts:
    """Whether samples influence one another, and what an evaluation costs."""

    mixes: bool
    operations: float
    calls: int
    held: int  # bytes kept for derivatives


def facts_of(call: Map, target: Target, *, mixes: bool | None) -> Facts:
    """Return the facts of a map; those of the module itself are found out once."""
    key = (call, target.inputs.shape, target.near)
    known: Facts | None = target.facts.get(key)
    if known is None or mixes not in (None, known.mixes):
        known = _found_out(call, target, mixes=mixes)
        if isinstance(call, nn.Module):
            target.facts[key] = known
    return known


def one_by_one(call: Map) -> Map:
    """Return a map of points that are whole batches."""
    return lambda points: torch.stack([call(point) for point in points])


def _found_out(call: Map, target: Target, *, mixes: bool | None) -> Facts:
    if not mixes:
        with suppress(Exception):  # for instance batch norm with a single value
            alone, facts = _measured(call, target.inputs[:1], target)
            if mixes is False or not _mixes(call, alone, target):
                return facts
    return replace(_measured(one_by_one(call), target.inputs[None], target)[1], mixes=True)


def _mixes(call: Map, alone: Tensor, target: Target) -> bool:
    """Return whether a sample's value depends on its batch, or has no batch axis."""
    inputs = target.inputs
    noise = target.randn(1, *inputs.shape[1:]) * target.scale
    other = torch.cat([inputs[:1], inputs[:1] + noise if target.near else noise])
    with torch.no_grad():
        together = call(other)
        if alone.shape[:1] != (1,) or together.shape[:1] != (2,):
            return True
        size = max(float(torch.linalg.vector_norm(value)) for value in together)
        slack = size * target.rounding(inputs[0].numel())
        if float(torch.linalg.vector_norm(together[:1] - alone)) <= slack:
            return False
        # the value alone was found with derivatives, which may round otherwise
        apart = float(torch.linalg.vector_norm(together[:1] - call(inputs[:1].clone())))
    if apart <= slack:
        return False
    # batches of other sizes may be summed in another order
    eps, generator = torch.finfo(inputs.dtype).eps, target.generator
    # one at a time, since copies in one batch may be mixed as well
    alone_at = inputs[:1].unsqueeze(0)
    slack += float(error_bounds(one_by_one(call), alone_at, eps=eps, generator=generator))
    return apart > slack and slack < UNDECIDED * size


def _measured(call: Map, point: Tensor, target: Target) -> tuple[Tensor, Facts]:
    """Return the value at a point, and what finding it costs."""
    # Only convolutions and products count as operations; what else a map does shows in the
    # bytes. Both depend on shapes alone, so the same effort means the same on any machine.
    # torch.utils.flop_counter breaks down on maps that differentiate on the way.
    known = (*target.module.parameters(), *target.module.buffers())
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
        value = call(start)
    facts = Facts(mixes=False, operations=counter.total, calls=counter.calls, held=held)
    return value.detach(), facts


@final
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
