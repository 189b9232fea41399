"""What one evaluation of a map costs: operations and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


def cost(
    call: Callable[[Tensor], Tensor], point: Tensor, *, known: Iterable[Tensor]
) -> tuple[float, int]:
    """Return (operations, bytes kept for derivatives) of one evaluation.

    Only convolutions and products count as operations; what else a map does shows in the
    bytes. Both depend on shapes alone, so the same effort means the same on any machine.

    Args:
        call: the map.
        point: an input.
        known: parameters and buffers, which are kept once for all points.

    Example:
        >>> layer = torch.nn.Linear(10, 20)
        >>> cost(layer, torch.ones(1, 10), known=layer.parameters())
        (400.0, 40)
    """
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
    return counter.total, held


class _Operations(TorchFunctionMode):
    """Counts the floating-point operations of convolutions and products."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        value = func(*args, **(kwargs or {}))
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
