"""Whether a layer depends on nothing but its input, its context and its own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor
from torch.autograd.graph import Node

from darboux.gradients._link import Link, Stack

# Derivatives of these jump; those of where() and of splines need not, and |x| and clamp() mostly
# guard logarithms and norms.
_KINKS = (
    "Relu",
    "LeakyRelu",
    "Prelu",
    "Rrelu",
    "Threshold",
    "Hardtanh",
    "Hardswish",
    "Hardsigmoid",
    "Softshrink",
    "Hardshrink",
    "Max",
    "Min",
    "Amax",
    "Amin",
    "Sort",
    "Topk",
    "AdaptiveMaxPool",
)


@final
class OpenLayerError(RuntimeError):
    """A layer uses a tensor that needs a gradient and is not its own: it would get none."""


def require_closed(
    link: Link,
    stack: Stack,
    context: Tensor | None,
    parameters: Sequence[Tensor],
    *,
    log_det: bool,
) -> bool:
    """Evaluate a link with its graph, and look for leaves that are not its own."""
    # A backward pass that repeats a layer differentiates with respect to what it knows of.
    # only the innermost hooks are called; what is saved must not hold its own node, or nothing
    # of this would ever be freed
    unhooked = torch.autograd.graph.saved_tensors_hooks(torch.Tensor.detach, lambda saved: saved)
    with torch.enable_grad(), unhooked:
        start = tuple(tensor.detach().requires_grad_() for tensor in stack)
        given = None if context is None else context.detach().requires_grad_()
        after, part = link.apply(start, given, log_det=log_det)
    outputs = [*after, *(() if part is None else (part,))]
    own = [*start, *parameters, *(() if given is None else (given,))]
    nodes = graph(outputs, own)
    strangers = foreign(nodes, own)
    if strangers:
        msg = (
            f"{link.name}: expected a layer that depends on its input, its context and its own "
            f"parameters; got one that also uses a tensor of shape {tuple(strangers[0].shape)} "
            "that requires a gradient, which would get none. Register it as a parameter of the "
            "layer, pass it as the context, or use memory='autograd'."
        )
        raise OpenLayerError(msg)
    return any(node.name().startswith(_KINKS) for node in nodes)


def graph(outputs: Sequence[Tensor], own: Sequence[Tensor]) -> list[Node]:
    """Return the nodes between outputs and one's own tensors."""
    ends = {tensor.grad_fn for tensor in own if tensor.grad_fn is not None}
    queue = [o.grad_fn for o in outputs if o.grad_fn is not None and o.grad_fn not in ends]
    seen, found = set(queue), []
    while queue:
        node = queue.pop()
        found.append(node)
        fresh = {n for n, _ in node.next_functions if n is not None} - ends - seen
        queue += fresh
        seen |= fresh
    return found


def foreign(nodes: Sequence[Node], own: Sequence[Tensor]) -> list[Tensor]:
    """Return the leaves of a graph that are not one's own."""
    known = {id(tensor) for tensor in own}
    leaves = [getattr(node, "variable", None) for node in nodes]
    return [leaf for leaf in leaves if leaf is not None and id(leaf) not in known]
