"""Private copies of the user's module, so that nothing of theirs is ever touched."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from darboux.certification._target import Target
from darboux.solvers._transforms import nesting

_STORAGES = 8  # of each part, among which a buffer that comes again is looked for


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


def exact_copy(module: nn.Module, inputs: Tensor, watch: Watch) -> tuple[nn.Module, Tensor] | None:
    """Return a float64 copy and its value, or None if the module does not compute in float64."""
    if inputs.device.type == "mps":  # has no float64
        return None
    clone = private_copy(module).double()
    try:
        value = watch.run(clone, inputs.double())[0]
    except Exception:
        return None
    exact = isinstance(value, Tensor) and value.dtype == torch.float64
    return (clone, value) if exact else None


def coarse_copy(field: nn.Module, target: Target) -> nn.Module | None:
    """Return a float32 copy of what is attacked in float64, if float32 is what is stored."""
    exact = target.inputs.dtype == torch.float64
    return private_copy(field).float() if exact and target.stored == torch.float32 else None


def copied(value: Any) -> Any:
    """Return a value with every tensor in it copied."""
    return value.clone() if type(value) is Tensor else tree_map_only(Tensor, Tensor.clone, value)


def work_on_copies(module: nn.Module) -> None:
    """Give a module copies of its inputs from now on, and take copies of its values."""
    module.register_forward_pre_hook(lambda _, *arguments: copied(arguments), with_kwargs=True)
    module.register_forward_hook(lambda _, arguments, value: copied(value))


@final
class Watch:
    """Tells which parts of modules write into their inputs or return one buffer every time."""

    def __init__(self) -> None:
        self.careless: dict[nn.Module, bool] = {}  # of all parts that were called
        self.seen: dict[int, Tensor] = {}  # what they received last, by id
        self._given: dict[nn.Module, list[list[tuple[Tensor, int, Tensor]]]] = defaultdict(list)
        # kept, or addresses come again
        self._kept: dict[nn.Module, dict[int, torch.UntypedStorage]] = defaultdict(dict)

    def run(self, module: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values of two calls, and watch the parts that were never watched before."""
        # The module must be a private copy: hooks are put on it and taken off again.
        parts = [part for part in module.modules() if part not in self.careless]
        handles = [part.register_forward_pre_hook(self._before, with_kwargs=True) for part in parts]
        handles += [part.register_forward_hook(self._after) for part in parts]
        try:
            with torch.no_grad():
                return copied(module(inputs.clone())), copied(module(inputs.clone()))
        finally:
            for handle in handles:
                handle.remove()

    def _before(self, part: nn.Module, *arguments: Any) -> None:
        given = [(t, t._version, t.clone()) for t in _tensors(arguments)]
        self._given[part].append(given)
        received = [value for value in arguments[0] if isinstance(value, Tensor)]
        if received:
            self.seen[id(part)] = received[-1].detach().clone()

    def _after(self, part: nn.Module, arguments: object, value: object) -> None:
        wrote = any(
            tensor._version != version or not torch.equal(tensor, kept)
            for tensor, version, kept in self._given[part].pop()
        )
        kept = self._kept[part]
        mine = {s.data_ptr(): s for s in (t.untyped_storage() for t in _tensors(value))}
        again = any(address in kept for address in mine)
        if len(kept) < _STORAGES:
            kept.update(mine)
        self.careless[part] = self.careless.get(part, False) or wrote or again


def _tensors(value: object) -> list[Tensor]:
    """Return the tensors in a value that have memory of their own; under transforms none has."""
    if nesting():
        return []
    leaves = [value] if isinstance(value, Tensor) else tree_leaves(value)
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
