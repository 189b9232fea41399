"""Inputs of submodules, recorded while a module runs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def record(module: nn.Module, inputs: Tensor) -> dict[int, Tensor]:
    """Return what every submodule received, by ``id``, when the module ran on its inputs.

    Of several calls the last is kept. The module must be a private copy: hooks are put
    on it and taken off again.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> seen = record(net, torch.zeros(1, 2))
        >>> seen[id(net[1])].shape
        torch.Size([1, 3])
    """
    seen: dict[int, Tensor] = {}

    def listener(key: int) -> Callable[[nn.Module, tuple[object, ...]], None]:
        def listen(part: nn.Module, arguments: tuple[object, ...]) -> None:
            del part
            tensors = [value for value in arguments if isinstance(value, Tensor)]
            if tensors:
                seen[key] = tensors[-1].detach()

        return listen

    handles = [part.register_forward_pre_hook(listener(id(part))) for part in module.modules()]
    try:
        with torch.no_grad():
            module(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen
