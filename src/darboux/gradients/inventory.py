"""What a module holds, from one walk through it."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class Inventory:
    """The modules, parameters and buffers of a module, with names.

    Args:
        module: the whole.

    Example:
        >>> [name for name, _ in Inventory(nn.Linear(1, 1)).parameters]
        ['weight', 'bias']
    """

    def __init__(self, module: nn.Module) -> None:
        self.modules: list[nn.Module] = []
        self.parameters: list[tuple[str, Tensor]] = []
        self.buffers: list[tuple[str, Tensor]] = []
        for prefix, part in module.named_modules():
            start = f"{prefix}." if prefix else ""
            self.modules.append(part)
            for name, parameter in part._parameters.items():
                if parameter is not None:
                    self.parameters.append((start + name, parameter))
            for name, buffer in part._buffers.items():
                if buffer is not None:
                    self.buffers.append((start + name, buffer))
