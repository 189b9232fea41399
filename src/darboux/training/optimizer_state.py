"""An optimiser's state as named tensors and JSON, so that nothing is ever pickled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into tensors "parameter/key" and a JSON description.

    Args:
        optimizer: any optimiser whose state is tensors and plain values.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> adam = torch.optim.Adam([weight])
        >>> weight.sum().backward()
        >>> adam.step()
        >>> sorted(pack_optimizer(adam)[0])
        ['0/exp_avg', '0/exp_avg_sq', '0/step']
    """
    state = optimizer.state_dict()
    entries = {f"{n}/{k}": v for n, values in state["state"].items() for k, v in values.items()}
    tensors = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    plain = {name: value for name, value in entries.items() if name not in tensors}
    return tensors, {"values": plain, "groups": state["param_groups"]}


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Load what `pack_optimizer` returned.

    Args:
        optimizer: an optimiser of the same kind, for parameters of the same shapes.
        tensors: the tensors.
        about: the description.

    Raises:
        ValueError: if the parameter groups differ.

    Example:
        >>> adam = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
        >>> unpack_optimizer(adam, *pack_optimizer(adam))
    """
    state: dict[int, dict[str, Any]] = {}
    for name, value in (*tensors.items(), *about["values"].items()):
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": about["groups"]})
