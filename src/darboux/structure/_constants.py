"""Constants of a module: buffers that nobody saves, and nobody loses."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn


class HasConstants(nn.Module, ABC):
    """A module with buffers that are no state: they have their values after `to_empty`, too."""

    def hold(self, name: str, constant: Tensor) -> None:
        """Register a constant, computed on the CPU whatever the default device is, as a buffer.

        Floating-point ones are cast like parameters, each time from what is given here.
        """
        dtype = torch.get_default_dtype() if constant.is_floating_point() else constant.dtype
        buffer = constant.to(torch.get_default_device(), dtype)
        self.register_buffer(name, buffer, persistent=False)
        vars(self).setdefault("_constants", {})[name] = constant

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:  # noqa: FBT001, FBT002
        """Move the module as torch does, and fill its constants in again."""
        nn.Module._apply(self, fn, recurse)
        for name, constant in vars(self).get("_constants", {}).items():
            buffer = self.get_buffer(name)
            if buffer is not constant:
                with torch.no_grad():
                    buffer.copy_(constant)
        return self
