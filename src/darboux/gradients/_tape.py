"""The tape: the links of one forward pass, and the check that each is closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.graph import Node

from darboux.gradients._link import Link, Stack, added, copied
from darboux.gradients._monitor import Monitor
from darboux.gradients._record import Environment, Inventory, Record, Watch, repeat


@final
@dataclass(eq=False, kw_only=True)
class Tape:
    """The links of one forward pass, what it found on the way, and what its monitor remembers."""

    links: Sequence[Link]
    inventories: Sequence[Inventory]
    names: Sequence[Sequence[tuple[str, int]]]
    parameters: Sequence[Tensor]
    environment: Environment
    monitor: Monitor
    checkpoints: Collection[int]
    log_det: bool = field(kw_only=True)
    invert: bool = field(kw_only=True)
    records: list[Record] = field(default_factory=list)

    def forward(
        self, stack: Stack, context: Tensor | None
    ) -> tuple[Stack, Tensor | None, dict[int, Stack]]:
        """Apply the links; return the last stack, log|det|, and the stacks to be kept."""
        kept, total, watch = {}, None, Watch(stack[0].device)
        first, stack = stack, copied(stack)  # links may work in place
        for k, link in enumerate(self.links):
            if k in self.checkpoints:
                kept[k] = copied(stack) if k else first
            self._check_closed(k, stack, context)
            mark = self.monitor.prints(stack[0])
            buffers, dtype = watch.before(self.inventories[k]), stack[0].dtype
            stack, part = link.push(stack, context, log_det=self.log_det)
            self.records.append(watch.after(link, mark, buffers))
            total = added(total, part)
            if stack[0].dtype != dtype:
                raise TypeError(_DTYPE.format(name=link.name, old=dtype, new=stack[0].dtype))
        return stack, total, kept

    def replaced(self, tensors: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Return for each link the parameters that are not its module's own any more."""
        # `torch.func.functional_call` puts others in their place for the forward pass only.
        own = {id(p) for link in self.links for p in link.module.parameters()}
        if own.issuperset(map(id, tensors)):
            return [{} for _ in self.links]
        return [{name: tensors[i] for name, i in names} for names in self.names]

    def call(
        self, k: int, replaced: Mapping[str, Tensor], function: Any, *args: Any, **kw: Any
    ) -> Any:
        """Call a function of link k as it was in the forward pass."""
        return repeat(self.links[k], self.records[k], replaced, function, *args, **kw)

    def own(self, k: int, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the parameters of link k that need gradients."""
        return [tensors[i] for _, i in self.names[k]]

    def _check_closed(self, k: int, stack: Stack, context: Tensor | None) -> None:
        """Look once for tensors that link k uses and that are not its own."""
        name = self.links[k].name
        if name in self.monitor.checked:
            return
        self.monitor.checked.add(name)
        with self.environment.again():
            copies = {n: b.clone() for n, b in self.links[k].module.named_buffers()}
            link, own = self.links[k], self.own(k, self.parameters)
            everything = [p for p in link.module.parameters() if p.requires_grad]
            record = Record(None, None, copies)
            parameters = [*own, *everything]
            arguments = (link, stack, context, parameters)
            kinked = repeat(link, record, {}, _require_closed, *arguments, log_det=self.log_det)
            self.monitor.kinked |= kinked


_DTYPE = (
    "{name}: expected features that stay {old}; got {new}, in which an inverse would lose digits. "
    "Compute the layer itself with autocast disabled; its sub-networks may use it."
)


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


def _require_closed(
    link: Link,
    stack: Stack,
    context: Tensor | None,
    parameters: Sequence[Tensor],
    *,
    log_det: bool,
) -> bool:
    """Evaluate a link with its graph, and look for leaves that are not its own."""
    # A backward pass that repeats a layer differentiates with respect to what it knows of.
    # Of saved-tensor hooks only the innermost are called; what is saved must not hold its own
    # node, or nothing of this would ever be freed.
    unhooked = torch.autograd.graph.saved_tensors_hooks(torch.Tensor.detach, lambda saved: saved)
    with torch.enable_grad(), unhooked:
        start = tuple(tensor.detach().requires_grad_() for tensor in stack)
        given = None if context is None else context.detach().requires_grad_()
        after, part = link.apply(start, given, log_det=log_det)
    outputs = [*after, *(() if part is None else (part,))]
    own = [*start, *parameters, *(() if given is None else (given,))]
    nodes = _graph(outputs, own)
    strangers = _foreign(nodes, own)
    if strangers:
        msg = (
            f"{link.name}: expected a layer that depends on its input, its context and its own "
            f"parameters; got one that also uses a tensor of shape {tuple(strangers[0].shape)} "
            "that requires a gradient, which would get none. Register it as a parameter of the "
            "layer, pass it as the context, or use memory='autograd'."
        )
        raise OpenLayerError(msg)
    return any(node.name().startswith(_KINKS) for node in nodes)


def _graph(outputs: Sequence[Tensor], own: Sequence[Tensor]) -> list[Node]:
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


def _foreign(nodes: Sequence[Node], own: Sequence[Tensor]) -> list[Tensor]:
    """Return the leaves of a graph that are not one's own."""
    known = {id(tensor) for tensor in own}
    leaves = [getattr(node, "variable", None) for node in nodes]
    return [leaf for leaf in leaves if leaf is not None and id(leaf) not in known]
