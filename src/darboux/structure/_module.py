"""The base of modules that say so when their input is no tensor of floating-point numbers."""

from __future__ import annotations

from abc import ABC
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_modules

from darboux.structure._arguments import shown

_USUAL = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class Module(nn.Module, ABC):
    """A module whose call refuses what is no tensor of real numbers with one sentence."""

    tensor_at = 0  # the place of the tensor among the arguments
    stacks = False  # whether a tuple of tensors may stand for one

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what ``forward`` returns."""
        place = self.tensor_at
        if len(args) > place:
            given = args[place]
            if type(given) is not Tensor or given.dtype not in _USUAL:
                self._refuse(given)
        # what nn.Module does, without a further call: this one counts in every step of a flow
        if self._compiled_call_impl is not None:
            return self._compiled_call_impl(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _refuse(self, value: object) -> None:
        """Raise the sentence, unless the value is of a rarer kind and fits all the same."""
        entries = value if self.stacks and isinstance(value, tuple) else (value,)
        for entry in entries:
            check_features(type(self).__name__, entry, stacks=self.stacks)


def is_hooked(module: nn.Module) -> bool:
    """Return whether a call of a module does more than its ``forward``."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or torch_modules._global_forward_hooks
        or torch_modules._global_forward_pre_hooks
    )


def check_features(name: str, x: object, *, stacks: bool = False) -> None:
    """Refuse what is no tensor of real floating-point numbers, and no tracer's stand-in."""
    if isinstance(x, Tensor):
        if x.is_floating_point():
            return
        advice = (
            "Give real and imaginary parts as channels." if x.is_complex() else "Use x.float()."
        )
    else:
        if hasattr(x, "__torch_function__"):
            return
        advice = "Make one by torch.as_tensor."
    expected = "a tensor or a tuple of tensors" if stacks else "a tensor"
    msg = f"{name}: expected {expected} of real floating-point numbers; got {shown(x)}. {advice}"
    raise TypeError(msg)
