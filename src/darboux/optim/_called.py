"""A model called on stand-ins for its parameters: nothing of it or of the generators changes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from darboux.solvers._transforms import without_autocast
from darboux.structure._arguments import shown

_WRAPPERS = ("OptimizedModule", "DistributedDataParallel")  # the first loads the compiler


def plain(model: nn.Module) -> nn.Module:
    """Return the model inside those that compile it or share it among processes."""
    for name in ("_orig_mod", "module"):
        inner = getattr(model, name, None)
        if isinstance(inner, nn.Module) and type(model).__name__ in _WRAPPERS:
            return plain(inner)
    return model


def called(
    owner: str,
    model: nn.Module,
    stand_ins: dict[str, Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    watching: AbstractContextManager[object] | None = None,
    *,
    followed: bool = False,
) -> Tensor:
    """Return the output of the model with stand-ins for its parameters and buffers.

    Derivatives lead to its inputs as well if those are `followed`.

    Raises:
        TypeError: if it is no tensor, (batch, ...).
        ValueError: if it is empty.
        RuntimeError: if a layer of the model has sparse gradients.
    """
    module = plain(model)
    if any(getattr(layer, "sparse", False) for layer in module.modules()):
        msg = f"{owner}: expected dense gradients; got sparse ones. Make layers with sparse=False."
        raise RuntimeError(msg)
    buffers = {name: b.detach().clone() for name, b in module.named_buffers()}
    first = next(iter(stand_ins.values()))
    with torch.enable_grad(), without_autocast(first), _same_numbers(first.device):
        args, kwargs = tree_map(_followed if followed else _detached, (args, kwargs))
        with watching or nullcontext():
            z = torch.func.functional_call(module, {**buffers, **stand_ins}, args, kwargs)
    if not isinstance(z, Tensor) or z.ndim == 0:
        msg = (
            f"{owner}: expected a model that returns one tensor, (batch, ...); got {shown(z)}. "
            "Wrap it in one that returns what the loss is taken of."
        )
        raise TypeError(msg)
    if len(z) == 0:
        msg = f"{owner}: expected a batch of at least one sample; got an empty one."
        raise ValueError(msg)
    return z


def stand_ins(model: nn.Module, trained: set[Tensor]) -> dict[str, Tensor]:
    """Return copies of all parameters by name, with gradients those that are trained."""
    return {
        name: p.detach().clone().requires_grad_(p in trained)
        for name, p in plain(model).named_parameters()
    }


def averaged(model: nn.Module, x: Tensor) -> Tensor:
    """Return the mean over the processes that share the model."""
    if not isinstance(model, nn.parallel.DistributedDataParallel):
        return x
    total = x.clone()
    torch.distributed.all_reduce(total, group=model.process_group)
    return total / torch.distributed.get_world_size(model.process_group)


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _followed(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().requires_grad_().clone()  # which may be changed in place
    return _detached(value)


def _same_numbers(device: torch.device) -> AbstractContextManager[object]:
    """Return a context after which generators are where they were."""
    if device.type == "cpu":
        return torch.random.fork_rng(devices=[])
    return torch.random.fork_rng(devices=[device], device_type=device.type)
