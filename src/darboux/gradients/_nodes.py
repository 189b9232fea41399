"""A chain as two nodes of the graph: its outputs, and all of its links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from darboux.gradients._link import Stack, added, copied
from darboux.gradients._tape import Outcome, Tape, require_named, require_own
from darboux.gradients._unwind import Unwinding


@final
class Propagation(torch.autograd.Function):
    """All links as one node of the graph, whose outputs are stand-ins for those of `Ends`."""

    @staticmethod
    def forward(
        ctx: Any, tape: Tape, result: Outcome, size: int, given: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        kept = result.kept
        ctx.tape, ctx.sizes = tape, (size, given, {k: len(s) for k, s in kept.items()})
        ctx.count = len(result.last)
        flat = [tensor for stack in kept.values() for tensor in stack]
        ctx.save_for_backward(*flat, *tensors[size:])
        ctx.set_materialize_grads(False)
        return tuple(map(_stand_in, result.outputs(log_det=tape.log_det)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        tape = ctx.tape
        size, given, kept_sizes = ctx.sizes
        saved = list(ctx.saved_tensors)
        kept: dict[int, Stack] = {}
        for k, length in kept_sizes.items():
            kept[k], saved = tuple(saved[:length]), saved[length:]
        context, parameters = (saved[0] if given else None), saved[given:]
        weight = gradients[-1] if tape.log_det else None
        emitted, place = {}, ctx.count
        for k, link in enumerate(tape.links):
            emitted[k], place = gradients[place : place + link.emitted], place + link.emitted
        if torch.is_grad_enabled():
            whole = tuple(g for g in gradients[: ctx.count] if g is not None)
            found = _again(tape, kept, context, parameters, (whole, weight, emitted))
            return (None, None, None, None, *found)
        leaf = (
            None
            if context is None
            else context.detach().requires_grad_(ctx.needs_input_grad[4 + size])
        )
        key = gradients[0]
        assert key is not None  # `Ends` sees to it
        ends = tape.handed.pop(_key(key))
        unwinding = Unwinding(tape, kept, leaf, parameters, ends, weight, emitted)
        back = unwinding.run()
        middle = (unwinding.sums.context,) if given else ()
        return (None, None, None, None, *back, *middle, *unwinding.sums.parameters)


@final
class Ends(torch.autograd.Function):
    """The outputs, a node of its own: what it saves and gets is free again before links are undone.

    The engine and the graph hold a node's tensors as long as it runs. So this one hands copies of
    the last stack and its gradients to the other, past the engine.
    """

    @staticmethod
    def forward(
        ctx: Any, tape: Tape, result: Outcome, given: Sequence[Tensor], *stand_ins: Tensor
    ) -> tuple[Tensor, ...]:
        del stand_ins
        # what leaves must not be a view of what came in, nor leave twice: autograd would confuse
        seen = {id(tensor) for tensor in given}
        leaving = []
        for s in result.outputs(log_det=tape.log_det):
            leaving.append(s.clone() if s._is_view() or id(s) in seen else s)
            seen.add(id(leaving[-1]))
        ctx.tape, ctx.count = tape, len(result.last)
        ctx.save_for_backward(*leaving[: ctx.count])
        ctx.set_materialize_grads(False)
        return tuple(leaving)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        tape, last = ctx.tape, ctx.saved_tensors
        first, others = gradients[: ctx.count], gradients[ctx.count :]
        whole = tuple(
            torch.zeros_like(s) if g is None else g for s, g in zip(last, first, strict=True)
        )
        if torch.is_grad_enabled():
            return (None, None, None, *whole, *others)
        keys = tuple(map(_stand_in, last))
        fresh = copied if tape.invert else tuple
        tape.handed[_key(keys[0])] = [fresh(last), fresh(whole)]
        return (None, None, None, *keys, *others)


def _stand_in(tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape in the memory of one number."""
    return tensor.new_zeros(()).expand(tensor.shape)


def _key(stand_in: Tensor) -> int:
    return stand_in.untyped_storage().data_ptr()


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
