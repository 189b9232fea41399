"""Whether a layer depends on nothing but its input, its context and its own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from darboux.gradients.link import Link, Stack


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
) -> None:
    """Evaluate a link with its graph, and look for leaves that are not its own.

    A backward pass that repeats a layer differentiates with respect to what it knows of.

    Args:
        link: the layer.
        stack: what comes before it.
        context: the context.
        parameters: the link's own, as they are used.
        log_det: whether log-determinants are computed.

    Raises:
        OpenLayerError: naming the layer, and the shape of the tensor.

    Example:
        >>> from darboux.gradients.closed import foreign
        >>> a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
        >>> len(foreign([a * b], [a])), len(foreign([a * b], [a, b]))
        (1, 0)
    """
    # only the innermost hooks are called: nothing of this is left for a backward pass
    unhooked = torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t)
    with torch.enable_grad(), unhooked:
        start = tuple(tensor.detach().requires_grad_() for tensor in stack)
        given = None if context is None else context.detach().requires_grad_()
        after, part = link.apply(start, given, log_det=log_det)
    outputs = [*after, *(() if part is None else (part,))]
    own = [*start, *parameters, *(() if given is None else (given,))]
    strangers = foreign(outputs, own)
    if strangers:
        msg = (
            f"{link.name}: expected a layer that depends on its input, its context and its own "
            f"parameters; got one that also uses a tensor of shape {tuple(strangers[0].shape)} "
            "that requires a gradient, which would get none. Register it as a parameter of the "
            "layer, pass it as the context, or use memory='autograd'."
        )
        raise OpenLayerError(msg)


def foreign(outputs: Sequence[Tensor], own: Sequence[Tensor]) -> list[Tensor]:
    """Return the leaves that outputs depend on, beside one's own tensors.

    Args:
        outputs: with their graphs.
        own: leaves, or tensors at which the search ends.

    Example:
        >>> a = torch.ones(2, requires_grad=True)
        >>> foreign([2 * a], [a])
        []
    """
    ends = {tensor.grad_fn for tensor in own if tensor.grad_fn is not None}
    known = {id(tensor) for tensor in own}
    queue = [o.grad_fn for o in outputs if o.grad_fn is not None]
    seen, found = set(queue), []
    while queue:
        node = queue.pop()
        if node in ends:
            continue
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in known:
            found.append(leaf)
        fresh = [next_node for next_node, _ in node.next_functions if next_node is not None]
        queue += [n for n in fresh if n not in seen]
        seen.update(fresh)
    return found
