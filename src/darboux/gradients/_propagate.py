"""Links applied one after another, with a memory mode."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, final, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

from darboux.gradients._checkpoint import Checkpoint
from darboux.gradients._link import Link, Stack, added
from darboux.gradients._monitor import Monitor
from darboux.gradients._record import Environment, Inventory, is_watched
from darboux.gradients._tape import HELD, OpenLayerError, Outcome, Tape, require_named, require_own
from darboux.gradients._unwind import Unwinding
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
    outputs = _Propagation.apply(tape, result, len(stack), len(given), *tensors)
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


@final
class _Propagation(torch.autograd.Function):
    """All links as one node of the graph."""

    @staticmethod
    def forward(
        ctx: Any, tape: Tape, result: Outcome, size: int, given: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        last, total, kept = result.last, result.total, result.kept
        # what leaves must not be a view of what came in, nor leave twice: autograd would confuse
        seen = {id(tensor) for tensor in tensors}
        leaving = []
        for s in (*last, *result.emitted):
            leaving.append(s.clone() if s._is_view() or id(s) in seen else s)
            seen.add(id(leaving[-1]))
        last = tuple(leaving[: len(last)])
        ctx.tape, ctx.sizes = tape, (size, given, {k: len(s) for k, s in kept.items()}, len(last))
        flat = [tensor for stack in kept.values() for tensor in stack]
        ctx.save_for_backward(*last, *flat, *tensors[size:])
        ctx.set_materialize_grads(False)
        if not tape.log_det:
            return tuple(leaving)
        return (*leaving, last[0].new_zeros(len(last[0])) if total is None else total)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        tape = ctx.tape
        size, given, kept_sizes, count = ctx.sizes
        saved = list(ctx.saved_tensors)
        last, saved = tuple(saved[:count]), saved[count:]
        kept: dict[int, Stack] = {}
        for k, length in kept_sizes.items():
            kept[k], saved = tuple(saved[:length]), saved[length:]
        context, parameters = (saved[0] if given else None), saved[given:]
        whole = tuple(
            torch.zeros_like(s) if g is None else g for s, g in zip(last, gradients, strict=False)
        )
        weight = gradients[-1] if tape.log_det else None
        emitted, place = {}, count
        for k, link in enumerate(tape.links):
            emitted[k], place = gradients[place : place + link.emitted], place + link.emitted
        if torch.is_grad_enabled():
            found = _again(tape, kept, context, parameters, (whole, weight, emitted))
            return (None, None, None, None, *found)
        leaf = (
            None
            if context is None
            else context.detach().requires_grad_(ctx.needs_input_grad[4 + size])
        )
        unwinding = Unwinding(tape, kept, leaf, parameters, whole, weight, emitted)
        back = unwinding.run(last)
        middle = (unwinding.sums.context,) if given else ()
        return (None, None, None, None, *back, *middle, *unwinding.sums.parameters)


def _again(
    tape: Tape,
    kept: dict[int, Stack],
    context: Tensor | None,
    parameters: Sequence[Tensor],
    gradients: tuple[Stack, Tensor | None, Mapping[int, Sequence[Tensor | None]]],
) -> Sequence[Tensor | None]:
    """Return gradients that can be differentiated: from the first stack, with all activations."""
    if 0 not in kept:
        msg = (
            "Derivatives of higher order need the input of the chain, which on_drift='raise' does "
            "not keep. Use on_drift='checkpoint' or memory='autograd'."
        )
        raise RuntimeError(msg)
    first = tuple([_same(tensor) for tensor in kept[0]])
    context = None if context is None else _same(context)
    parameters = tape.own(parameters)
    leaves, replaced = tape.stand_ins(parameters, _same)
    inputs = [*first, *(() if context is None else (context,)), *leaves]
    stack, total = first, None
    pairs: list[tuple[Tensor, Tensor | None]] = []
    with tape.environment.again():
        for k, link in enumerate(tape.links):
            call = (replaced[k], link.apply, stack, context)
            after, part = tape.call(k, *call, log_det=tape.log_det)
            stack, own = link.parted(after)
            pairs += zip(own, gradients[2][k], strict=True)
            total = added(total, part)
    pairs += zip(stack, gradients[0], strict=True)
    if total is not None:
        pairs.append((total, gradients[1]))
    pairs = [(o, c) for o, c in pairs if c is not None and o.requires_grad]
    outputs = [o for o, _ in pairs]
    require_named(outputs, inputs, parameters)
    if not tape.looks:
        require_own(tape.links[0].name, outputs, [*inputs, *tape.members()])
    needed = [tensor for tensor in inputs if tensor.requires_grad]
    found = iter(
        torch.autograd.grad(
            outputs,
            needed,
            [c for _, c in pairs],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if tensor.requires_grad else None for tensor in inputs]


def _same(tensor: Tensor) -> Tensor:
    """Return the tensor under another name, with its history but without its hooks."""
    return tensor.view_as(tensor)
