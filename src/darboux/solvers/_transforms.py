"""The transforms of `torch.func` and the compiler at work; torch has no public way to ask."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

P = ParamSpec("P")

R = TypeVar("R")


def nesting() -> int:
    """Return how many transforms of `torch.func` surround the call."""
    return len(torch._C._functorch.get_interpreter_stack() or ())


def is_mapped() -> bool:
    """Return whether `torch.func.vmap` surrounds the call: there nothing can depend on values."""
    vmap = torch._C._functorch.TransformType.Vmap
    levels = torch._C._functorch.get_interpreter_stack() or ()
    return any(level.key() == vmap for level in levels)


def is_differentiated(x: object) -> bool:
    """Return whether a derivative may be asked for: of autograd, or of any `torch.func` level."""
    return isinstance(x, Tensor) and (
        (x.requires_grad and torch.is_grad_enabled()) or nesting() > 0 or is_dual(x)
    )


def are_constant(*tensors: Tensor) -> bool:
    """Return whether tensors are plain numbers that nobody differentiates, traces or watches."""
    if (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._get_tracing_state() is not None
        or nesting() > 0
    ):
        return False
    recorded, dual = torch.is_grad_enabled(), forward_ad._current_level >= 0
    for tensor in tensors:
        if type(tensor) not in (Tensor, nn.Parameter) or tensor.is_meta:
            return False
        if (recorded and tensor.requires_grad) or (dual and is_dual(tensor)):
            return False
    return True


def is_dual(x: Tensor) -> bool:
    """Return whether forward mode, outside of `torch.func`, follows a tensor."""
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(x).tangent is not None


def is_plain() -> bool:
    """Return whether reverse mode is all that is at work: torch.func costs three times as much."""
    return not (
        torch.compiler.is_compiling()
        or nesting() > 0
        or forward_ad._current_level >= 0
        or torch.is_inference_mode_enabled()
    )


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Return a context that leaves the dtype of x alone; the meta device has no autocast."""
    if x.is_meta or not torch.is_autocast_enabled(x.device.type):
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def refuse_export(who: str) -> None:
    """Refuse `torch.export`, whose graphs do not hold derivatives that are taken in a forward."""
    exporting = getattr(torch.compiler, "is_exporting", bool)  # torch 2.6 cannot tell
    if exporting():
        msg = (
            f"{who}: expected eager execution or torch.compile; got torch.export, which does not "
            "trace the derivatives that are taken here. Export a graph in which they are formulas: "
            "torch.export.export(make_fx(f)(x), (x,)), with f the call without gradients and "
            "make_fx from torch.fx.experimental.proxy_tensor."
        )
        raise RuntimeError(msg)


def hidden(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function as `torch.compile` leaves it alone: it runs eagerly."""
    # Only where someone has loaded the compiler, because loading it takes a second.
    if "torch._dynamo" not in sys.modules:
        return function
    disabled: Callable[P, R] = torch.compiler.disable(function)
    return disabled


Pull = Callable[[Tensor], Tensor]


def pullback(g: Callable[[Tensor], Tensor], x: Tensor) -> Pull:
    """Return v -> g'(x)ᵀ v, with g evaluated once."""
    # By `torch.func`, which nests in its other transforms. Checkpoints and offloading hook into
    # what autograd saves, which `torch.func` refuses: there by autograd, and what is saved on the
    # way is kept from those hooks, because nothing of it is left for a backward pass.
    try:
        pull = torch.func.vjp(g, x)[1]
    except RuntimeError as error:
        if "saved tensor hooks" not in str(error):
            raise
        return _by_autograd(g, x)
    return lambda v: pull(v)[0]


def pullbacks(
    g: Callable[[Tensor], Tensor], x: Tensor, *, alone: bool
) -> Callable[[Tensor, int], Tensor]:
    """Return (v, chunk) -> the g'(x)ᵀ v_i of many v_i, so many at a time.

    `alone` says that g knows nothing that has been differentiated: plain autograd, which takes
    half the time, would go through the history of that each time.
    """
    if not alone or nesting() > 0:
        pull = pullback(g, x)

        def mapped(v: Tensor, chunk: int) -> Tensor:
            found: Tensor = torch.func.vmap(pull, chunk_size=chunk)(v)
            return found

        return mapped
    plain = _by_autograd(g, x, again=False)
    return lambda v, chunk: torch.cat([plain(part) for part in v.split(chunk)])


def _by_autograd(g: Callable[[Tensor], Tensor], x: Tensor, *, again: bool = True) -> Pull:
    """Return v -> g'(x)ᵀ v, for many v where there is one more axis; `again`: differentiable."""
    with torch.enable_grad(), _unhooked():
        start = x.detach().requires_grad_()
        image = g(start)

    def pull(v: Tensor) -> Tensor:
        if not image.requires_grad:
            return torch.zeros_like(v)
        with torch.enable_grad(), _unhooked():
            (slope,) = torch.autograd.grad(
                image,
                start,
                v,
                retain_graph=True,
                create_graph=again,
                allow_unused=True,
                materialize_grads=True,
                is_grads_batched=v.ndim > x.ndim,
            )
        return slope

    return pull


def _unhooked() -> torch.autograd.graph.saved_tensors_hooks:
    """Return hooks that do nothing: only the innermost ones are called."""
    return torch.autograd.graph.saved_tensors_hooks(lambda saved: saved, lambda saved: saved)


def in_batches(*gradients: Tensor | None) -> bool:
    """Return whether autograd.grad(is_grads_batched=True) asks; torch has no public way to see."""
    batched = torch._C._functorch.is_legacy_batchedtensor
    return any(g is not None and batched(g) for g in gradients)


def again(
    function: Callable[..., Sequence[Tensor]],
    given: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
) -> tuple[Tensor | None, ...]:
    """Return gradients that can be differentiated: evaluate once more, with a graph."""
    create = torch.is_grad_enabled()
    with torch.enable_grad():
        given = [x.view_as(x) for x in given]  # their hooks are called by whoever asked, once
        found = function(*given)
    pairs = [(o, g) for o, g in zip(found, gradients, strict=True) if g is not None]
    needed = [x for x in given if x.requires_grad]
    outputs, cotangents = [o for o, _ in pairs], [g for _, g in pairs]
    back = iter(torch.autograd.grad(outputs, needed, cotangents, create_graph=create))
    return tuple(next(back) if x.requires_grad else None for x in given)
