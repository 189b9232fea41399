"""Private copies of the user's module, so that nothing of theirs is ever touched."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from darboux.certification._target import Target
from darboux.solvers._transforms import nesting


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
    except Exception:
        return None
    return clone if isinstance(value, Tensor) and value.dtype == torch.float64 else None


def coarse_copy(field: nn.Module, target: Target) -> nn.Module | None:
    """Return a float32 copy of what is attacked in float64, if float32 is what is stored."""
    exact = target.inputs.dtype == torch.float64
    return private_copy(field).float() if exact and target.stored == torch.float32 else None


def copied(value: Any) -> Any:
    """Return a value with every tensor in it copied."""
    return tree_map_only(Tensor, Tensor.clone, value)


def work_on_copies(module: nn.Module) -> None:
    """Give a module copies of its inputs from now on, and take copies of its values."""
    module.register_forward_pre_hook(lambda _, *arguments: copied(arguments), with_kwargs=True)
    module.register_forward_hook(lambda _, arguments, value: copied(value))


def careless(module: nn.Module, inputs: Tensor) -> dict[nn.Module, bool]:
    """Return which parts of a module write into their inputs or return one buffer every time.

    The keys are all parts that are called when the module runs on the inputs, here twice.
    """
    found: dict[nn.Module, bool] = {}
    given: list[list[tuple[Tensor, int, Tensor]]] = []
    storages: dict[nn.Module, list[torch.UntypedStorage]] = {}  # kept, or addresses come again

    def before(part: nn.Module, *arguments: object) -> None:
        given.append([(t, t._version, t.clone()) for t in _tensors(arguments)])

    def after(part: nn.Module, arguments: object, value: object) -> None:
        wrote = any(
            tensor._version != version or not torch.equal(tensor, kept)
            for tensor, version, kept in given.pop()
        )
        mine = [tensor.untyped_storage() for tensor in _tensors(value)]
        known = {storage.data_ptr() for storage in storages.setdefault(part, [])}
        again = any(storage.data_ptr() in known for storage in mine)
        storages[part] += mine
        found[part] = found.get(part, False) or wrote or again

    handles = [
        part.register_forward_pre_hook(before, with_kwargs=True) for part in module.modules()
    ]
    handles += [part.register_forward_hook(after) for part in module.modules()]
    try:
        with torch.no_grad():
            module(inputs.clone())
            module(inputs.clone())
    finally:
        for handle in handles:
            handle.remove()
    return found


def _tensors(value: object) -> list[Tensor]:
    """Return the tensors in a value that have memory of their own; under transforms none has."""
    leaves = () if nesting() else tree_leaves(value)
    return [t for t in leaves if isinstance(t, Tensor) and t.layout == torch.strided]


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
