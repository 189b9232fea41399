"""The base of modules that say so when their input is no tensor."""

from __future__ import annotations

from abc import ABC
from typing import Any

from torch import Tensor, nn

from darboux.structure._arguments import shown


class Module(nn.Module, ABC):
    """A module whose call refuses what is no tensor with one sentence."""

    tensor_at = 0  # the place of the tensor among the arguments
    stacks = False  # whether a tuple of tensors may stand for one

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what ``forward`` returns."""
        if len(args) > self.tensor_at and not isinstance(args[self.tensor_at], Tensor):
            self._refuse(args[self.tensor_at])
        return nn.Module.__call__(self, *args, **kwargs)

    def _refuse(self, value: object) -> None:
        """Raise, unless the value stands for a tensor as tracers' values do."""
        if hasattr(value, "__torch_function__") or (self.stacks and isinstance(value, tuple)):
            return
        tensors = "a tensor or a tuple of tensors" if self.stacks else "a tensor"
        msg = (
            f"{type(self).__name__}: expected {tensors}; got {shown(value)}. "
            "Make one by torch.as_tensor."
        )
        raise TypeError(msg)
