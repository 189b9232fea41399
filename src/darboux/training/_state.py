"""The state of a training as tensors and JSON, checked before anything uses it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import torch
from torch import Tensor

from darboux.training._files import json_bytes, parsed

# What Adam divides by the root of, or counts.
_NOT_NEGATIVE = ("step", "exp_avg_sq", "max_exp_avg_sq")


class OptimizerAbout(msgspec.Struct):
    """The part of an optimiser's state that is no tensor, and which parameters have one."""

    values: dict[str, Any]
    groups: list[dict[str, Any]]
    stepped: list[int] | None = None  # None: all, in files of version 0.1


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under ``prefix/name``."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that stand under ``prefix/``, without it: undoes `prefixed`."""
    start = f"{prefix}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def not_finite(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of tensors with a value that is not finite."""
    for name, value in state.items():
        if isinstance(value, Tensor) and not value.isfinite().all():
            yield name


def difference(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """Return how tensors differ from others in names, shapes and types, or are not finite."""
    return next(_differences(found, expected), None)


def _differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield what is wrong."""
    if missing := sorted(expected.keys() - found.keys()):
        yield f"expected {_some(missing)}; got no such tensor"
    if unknown := sorted(found.keys() - expected.keys()):
        yield f"expected no other tensors; got {_some(unknown)}"
    for name, tensor in found.items():
        own = expected[name]
        if tensor.shape != own.shape or not _holds(own.dtype, tensor.dtype):
            yield f"expected {name} of {_kind(own)}; got {_kind(tensor)}"
        # A mask of a network may be infinite where it was before.
        elif (~tensor.isfinite() & own.isfinite().to(tensor.device)).any():
            yield f"expected finite {name}; got NaN or infinite values"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _kind(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape)}"


def _holds(own: torch.dtype, other: torch.dtype) -> bool:
    """Return whether a type of number holds all numbers of another, of the same kind."""
    both = own.is_floating_point and other.is_floating_point
    return own == other or (both and torch.promote_types(own, other) == own)


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into tensors "parameter/key" and a JSON description."""
    state = optimizer.state_dict()
    entries = {f"{n}/{k}": v for n, values in state["state"].items() for k, v in values.items()}
    tensors = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    plain = {name: value for name, value in entries.items() if name not in tensors}
    about = {"values": plain, "groups": state["param_groups"], "stepped": sorted(state["state"])}
    return tensors, about


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], about: OptimizerAbout
) -> None:
    """Load what `pack_optimizer` returned, once `optimizer_difference` has found nothing."""
    # Fused kernels trust the shapes of the state, and write beyond the ends of smaller ones.
    state: dict[int, dict[str, Any]] = {}
    for name, value in (*tensors.items(), *about.values.items()):
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def optimizer_difference(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    about: OptimizerAbout,
    *,
    step: int,
) -> str | None:
    """Return how a packed state differs from this optimiser's after so many steps, or None."""
    own, own_about = pack_optimizer(_stepped(optimizer))
    numbers = about.stepped or (own_about["stepped"] if step else [])
    expected = {n: t for n, t in own.items() if int(n.partition("/")[0]) in numbers}
    if about.values.keys() != own_about["values"].keys():
        return f"expected values {[*own_about['values']]}; got {[*about.values]!r:.60}"
    ranges = (_range_difference(name, tensor, step) for name, tensor in tensors.items())
    return (
        difference(prefixed("optimizer", tensors), prefixed("optimizer", expected))
        or _settings_difference(own_about["groups"], about.groups)
        or next(filter(None, ranges), None)
    )


def _range_difference(name: str, tensor: Tensor, step: int) -> str | None:
    """Return which value of a state no optimiser has after so many steps, or None."""
    key = name.rpartition("/")[2]
    if key in _NOT_NEGATIVE and (tensor < 0).any():
        return f"expected optimizer/{name} >= 0; got {float(tensor.min()):g}"
    if key == "step" and float(tensor) > step:
        return f"expected optimizer/{name} <= {step}; got {float(tensor):g}"
    return None


def _stepped(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Return an optimiser of the same parameters, copied, after a step along zeros."""
    twin = copy.deepcopy(optimizer)
    for group in twin.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    twin.step()
    return twin


def _settings_difference(own: list[dict[str, Any]], found: list[dict[str, Any]]) -> str | None:
    """Return how settings differ, but for the learning rate, which follows the schedule."""
    own, found = parsed(json_bytes((own, found)), where="the groups")  # JSON holds no tuples
    if len(own) != len(found):
        return f"expected {len(own)} groups of parameters; got {len(found)}"
    for mine, theirs in zip(own, found, strict=True):
        for key in (mine.keys() & theirs.keys()) - {"lr"}:
            if mine[key] != theirs[key]:
                return f"expected {key} = {mine[key]!r:.60}; got {theirs[key]!r:.60}"
    return None


def random_state() -> dict[str, Tensor]:
    """Return the states of torch's random number generators, as byte tensors."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_state(states: Mapping[str, Tensor], *, where: str) -> None:
    """Set torch's random number generators."""
    try:
        torch.set_rng_state(states["cpu"])
        if "cuda" in states and torch.cuda.is_available():
            torch.cuda.set_rng_state(states["cuda"])
    except RuntimeError as error:
        raise ValueError(f"Expected the state of a generator in {where}; got {error}") from error
