"""Private copies of the user's module, so that nothing of theirs is ever touched."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from darboux.certification._target import Target


def private_copy(module: nn.Module) -> nn.Module:
    """Return a deep copy whose parameters ask for no gradients."""
    # Some hooks of torch keep computed tensors as attributes, which refuse to be copied;
    # those are copied by value.
    memo: dict[int, object] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, Tensor) and value.grad_fn is not None:
                memo[id(value)] = value.detach().clone()
    try:
        clone = copy.deepcopy(module, memo)
    except Exception as error:
        msg = (
            f"certify: expected a module that copy.deepcopy can copy, so that yours stays as it "
            f"is; copying {type(module).__name__} failed with {type(error).__name__}: {error}"
        )
        raise TypeError(msg) from error
    return clone.requires_grad_(requires_grad=False)


def exact_copy(module: nn.Module, inputs: Tensor) -> nn.Module | None:
    """Return a float64 copy, or None if the module does not compute in float64."""
    if inputs.device.type == "mps":  # has no float64
        return None
    clone = private_copy(module).double()
    try:
        with torch.no_grad():
            value = clone(inputs.double())
    except (RuntimeError, TypeError, ValueError):
        return None
    return clone if isinstance(value, Tensor) and value.dtype == torch.float64 else None


def coarse_copy(field: nn.Module, target: Target) -> nn.Module | None:
    """Return a float32 copy of what is attacked in float64, if float32 is what is stored."""
    exact = target.inputs.dtype == torch.float64
    return private_copy(field).float() if exact and target.stored == torch.float32 else None


@contextmanager
def quiet(device: torch.device) -> Iterator[None]:
    """Restore the random state, and leave autocast and inference mode."""
    devices = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=devices),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast(device.type, enabled=False),
    ):
        yield


def stored_dtype(module: nn.Module, inputs: Tensor) -> torch.dtype:
    """Return the least precise floating dtype among parameters, buffers and inputs."""
    tensors = [*module.parameters(), *module.buffers()]
    dtypes = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    return max([*dtypes, inputs.dtype], key=lambda dtype: torch.finfo(dtype).eps)
