"""Links applied one after another, with one of three memory modes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, final, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

from darboux.gradients._link import Link, Stack, added
from darboux.gradients._monitor import Monitor
from darboux.gradients._record import Environment, Inventory
from darboux.gradients._tape import Outcome, Tape, require_named
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
    memory: Memory,
    monitor: Monitor,
    on_drift: OnDrift = "checkpoint",
) -> tuple[Stack, Tensor | None]:
    """Return the stack after all links, and the sum of log-determinants or None.

    "autograd" keeps all activations, as usual. "checkpoint" keeps √K stacks and repeats the
    links between them. "constant" keeps the first and the last stack, and undoes the links.
    In both, gradients of first order are computed from reconstructed activations and higher ones
    from the first stack, with all activations. Inside `torch.func` transforms, and where no
    gradient is asked for, all modes are the same.

    Source: section 4.2.1.

    Args:
        links: one after another.
        stack: tensors, top first.
        context: given to every link.
        log_det: whether log-determinants are wanted.
        memory: "autograd", "checkpoint" or "constant".
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
    inventories = [Inventory(link.module) for link in links]
    parameters, names = _parameters(inventories)
    given = () if context is None else (context,)
    if not _is_recorded((*stack, *given, *parameters)):
        return _plain(links, stack, context, log_det=log_det)
    modules = [module for inventory in inventories for module in inventory.modules]
    environment = Environment(modules, stack[0].device)
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
    )
    with torch.no_grad(), environment.uncached():
        result = tape.forward(stack, context)
    tensors = (*stack, *given, *tape.receivers())
    outputs = _Propagation.apply(tape, result, len(stack), len(given), *tensors)
    return (outputs[:-1], outputs[-1]) if log_det else (outputs, None)


def check_modes(memory: str, on_drift: str) -> None:
    """Refuse unknown modes."""
    for name, value, allowed in (
        ("memory", memory, get_args(Memory)),
        ("on_drift", on_drift, get_args(OnDrift)),
    ):
        if value not in allowed:
            msg = f"Expected {name} among {', '.join(allowed)}; got {value!r}."
            raise ValueError(msg)


def _plain(
    links: Sequence[Link], stack: Stack, context: Tensor | None, *, log_det: bool
) -> tuple[Stack, Tensor | None]:
    total = None
    for link in links:
        stack, part = link.apply(stack, context, log_det=log_det)
        total = added(total, part)
    if log_det and total is None:
        total = stack[0].new_zeros(len(stack[0]))
    return stack, total


def _is_recorded(tensors: Sequence[Tensor]) -> bool:
    """Return whether a backward pass may come; transforms of torch.func do without modes."""
    if nesting() or not torch.is_grad_enabled():
        return False
    recorded = False
    for tensor in tensors:
        if forward_ad.unpack_dual(tensor).tangent is not None:
            return False
        recorded = recorded or tensor.requires_grad
    return recorded


def _parameters(
    inventories: Sequence[Inventory],
) -> tuple[list[Tensor], list[list[tuple[str, int]]]]:
    """Return all parameters that need gradients, each once, and where those of each link stand."""
    found: list[Tensor] = []
    places: dict[int, int] = {}
    names: list[list[tuple[str, int]]] = []
    for inventory in inventories:
        names.append([])
        for name, parameter in inventory.parameters:
            if parameter.requires_grad:
                place = places.setdefault(id(parameter), len(found))
                if place == len(found):
                    found.append(parameter)
                names[-1].append((name, place))
    return found, names


def _checkpoints(count: int, memory: str, monitor: Monitor, on_drift: str) -> set[int]:
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
        last, total, kept = result
        # what leaves must not be a view of what came in: autograd would confuse the two
        came = {id(tensor) for tensor in tensors}
        last = tuple([s.clone() if s._is_view() or id(s) in came else s for s in last])
        ctx.tape, ctx.sizes = tape, (size, given, {k: len(s) for k, s in kept.items()}, len(last))
        flat = [tensor for stack in kept.values() for tensor in stack]
        ctx.save_for_backward(*last, *flat, *tensors[size:])
        ctx.set_materialize_grads(False)
        if not tape.log_det:
            return last
        return (*last, last[0].new_zeros(len(last[0])) if total is None else total)

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
        weight = gradients[count] if tape.log_det else None
        if torch.is_grad_enabled():
            found = _again(tape, kept, context, parameters, (whole, weight))
            return (None, None, None, None, *found)
        leaf = (
            None
            if context is None
            else context.detach().requires_grad_(ctx.needs_input_grad[4 + size])
        )
        unwinding = Unwinding(tape, kept, leaf, parameters, whole, weight)
        back = unwinding.run(last)
        middle = (unwinding.sums.context,) if given else ()
        return (None, None, None, None, *back, *middle, *unwinding.sums.parameters)


def _again(
    tape: Tape,
    kept: dict[int, Stack],
    context: Tensor | None,
    parameters: Sequence[Tensor],
    gradients: tuple[Stack, Tensor | None],
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
    leaves, replaced = tape.stand_ins(parameters, _same)
    inputs = [*first, *(() if context is None else (context,)), *leaves]
    stack, total = first, None
    with tape.environment.again():
        for k, link in enumerate(tape.links):
            call = (replaced[k], link.apply, stack, context)
            stack, part = tape.call(k, *call, log_det=tape.log_det)
            total = added(total, part)
    outputs, cotangents = list(stack), list(gradients[0])
    if total is not None and gradients[1] is not None:
        outputs.append(total)
        cotangents.append(gradients[1])
    require_named(outputs, inputs, parameters)
    pairs = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
    needed = [tensor for tensor in inputs if tensor.requires_grad]
    found = iter(
        torch.autograd.grad(
            [o for o, _ in pairs],
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
