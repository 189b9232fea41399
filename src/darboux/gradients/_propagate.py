"""Links applied one after another, with a memory mode."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

from darboux.gradients._checkpoint import Checkpoint
from darboux.gradients._link import Link, Stack, added
from darboux.gradients._monitor import Monitor
from darboux.gradients._nodes import Ends, Propagation
from darboux.gradients._record import Environment, Inventory, is_watched
from darboux.gradients._tape import HELD, OpenLayerError, Tape
from darboux.solvers._transforms import nesting

Memory = Literal["autograd", "checkpoint", "constant"]
"""What a chain keeps for the backward pass: everything, checkpoints, or its output alone."""

OnDrift = Literal["checkpoint", "raise"]
"""What a chain of constant memory does where rounding spoils its gradients."""


def propagate(
    links: Sequence[Link],
    stack: Stack,
    context: Tensor | None = None,
    *,
    log_det: bool,
    memory: Memory | Checkpoint,
    monitor: Monitor,
    on_drift: OnDrift = "checkpoint",
) -> tuple[Stack, Tensor | None]:
    """Return the stack after all links, then their own outputs; and the log-determinant or None.

    "autograd" keeps all activations, as usual. "checkpoint" keeps √K stacks and repeats the
    links between them; a `Checkpoint` keeps as many as it says and repeats links one by one.
    "constant" keeps the first and the last stack, and undoes the links.
    In all of them, gradients of first order are computed from reconstructed activations and
    higher ones from the first stack, with all activations. A link that uses a tensor which is
    not its own is refused, by a `Checkpoint` in the backward pass. Inside `torch.func`
    transforms, and where no gradient is asked for, all modes are the same.

    Source: section 4.2.1.

    Args:
        links: one after another.
        stack: tensors, top first.
        context: given to every link.
        log_det: whether log-determinants are wanted.
        memory: "autograd", "checkpoint", "constant", or a `Checkpoint`.
        monitor: watches the drift from one backward pass to the next.
        on_drift: "checkpoint" keeps the first stack to fall back to; "raise" keeps the last only.

    Raises:
        ValueError: if a mode is unknown.

    Example:
        >>> propagate((), (torch.ones(1, 2),), log_det=False, memory="constant", monitor=Monitor())
        ((tensor([[1., 1.]]),), None)
    """
    check_modes(memory, on_drift)
    if memory == "autograd":
        return _plain(links, stack, context, log_det=log_det)
    modules = {id(link.module): link.module for link in links}
    known = {key: Inventory(module) for key, module in modules.items()}
    inventories = [known[id(link.module)] for link in links]
    parameters, names = _parameters(inventories)
    given = () if context is None else (context,)
    if not is_recorded((*stack, *given, *parameters)):
        return _plain(links, stack, context, log_det=log_det)
    parts = [part for inventory in known.values() for part in inventory.modules]
    environment = Environment(parts, stack[0].device)
    looks = _looks(memory, parameters, names)
    if environment.autocast is not None:
        stack = tuple(s.float() if s.dtype in (torch.float16, torch.bfloat16) else s for s in stack)
    tape = Tape(
        links=links,
        inventories=inventories,
        names=names,
        parameters=parameters,
        environment=environment,
        monitor=monitor,
        checkpoints=_checkpoints(len(links), memory, monitor, on_drift),
        log_det=log_det,
        invert=memory == "constant",
        states=memory.states_for(len(links)) if isinstance(memory, Checkpoint) else None,
        looks=looks,
    )
    with torch.no_grad(), environment.uncached():
        result = tape.forward(stack, context)
    tensors = (*stack, *given, *tape.receivers())
    stand_ins = Propagation.apply(tape, result, len(stack), len(given), *tensors)
    outputs = Ends.apply(tape, result, [*stack, *tensors[len(stack) :]], *stand_ins)
    return (outputs[:-1], outputs[-1]) if log_det else (outputs, None)


def check_modes(memory: str | Checkpoint, on_drift: str) -> None:
    """Refuse unknown modes."""
    for name, value, allowed in (
        ("memory", memory, get_args(Memory)),
        ("on_drift", on_drift, get_args(OnDrift)),
    ):
        if value not in allowed and not isinstance(value, Checkpoint):
            msg = f"Expected {name} among {', '.join(allowed)}; got {value!r}."
            raise ValueError(msg)


def _plain(
    links: Sequence[Link], stack: Stack, context: Tensor | None, *, log_det: bool
) -> tuple[Stack, Tensor | None]:
    total = None
    emitted: list[Tensor] = []
    for link in links:
        found, part = link.apply(stack, context, log_det=log_det)
        stack, outputs = link.parted(found)
        emitted += outputs
        total = added(total, part)
    if log_det and total is None:
        total = stack[0].new_zeros(len(stack[0]))
    return (*stack, *emitted), total


def is_recorded(tensors: Sequence[Tensor]) -> bool:
    """Return whether a backward pass may come; transforms of torch.func do without modes."""
    if nesting() or not torch.is_grad_enabled() or tensors[0].is_meta:
        return False
    recorded = False
    for tensor in tensors:
        if forward_ad.unpack_dual(tensor).tangent is not None:
            return False
        recorded = recorded or tensor.requires_grad
    return recorded


def _looks(
    memory: Memory | Checkpoint,
    parameters: Sequence[Tensor],
    names: Sequence[Sequence[tuple[str | None, int]]],
) -> bool:
    """Return whether to look at what links use before, which costs one evaluation of each."""
    loose = [parameters[i] for places in names for name, i in places if name is None]
    if any(map(is_watched, loose)):
        raise OpenLayerError(HELD)
    if not isinstance(memory, Checkpoint) or any(map(is_watched, parameters)):
        return True
    return not all(tensor.is_leaf for tensor in loose)


def _parameters(
    inventories: Sequence[Inventory],
) -> tuple[list[Tensor], list[list[tuple[str | None, int]]]]:
    """Return all parameters that need gradients, each once, and where those of each link stand."""
    found: list[Tensor] = []
    places: dict[int, int] = {}
    names: list[list[tuple[str | None, int]]] = []
    for inventory in inventories:
        names.append([])
        for name, parameter in inventory.parameters:
            if parameter.requires_grad:
                place = places.setdefault(id(parameter), len(found))
                if place == len(found):
                    found.append(parameter)
                names[-1].append((name, place))
    return found, names


def _checkpoints(
    count: int, memory: Memory | Checkpoint, monitor: Monitor, on_drift: str
) -> Collection[int]:
    if isinstance(memory, Checkpoint):
        return set(memory.kept(count))
    if memory == "checkpoint":
        return set(range(0, count, max(1, math.isqrt(count))))
    kept = {k for k in monitor.checkpoints if k < count}
    return kept if on_drift == "raise" else {0, *kept}
