"""The tape: the links of one forward pass, and the check that each is closed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.graph import Node

from darboux.gradients._captured import Captured
from darboux.gradients._fingerprint import Marks
from darboux.gradients._link import Link, Stack, added, copied
from darboux.gradients._monitor import Monitor
from darboux.gradients._record import (
    Environment,
    Inventory,
    Record,
    Watch,
    is_watched,
    repeat,
)


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """The last stack, log|det| or None, the stacks that are kept, and outputs of links."""

    last: Stack
    total: Tensor | None
    kept: dict[int, Stack]
    emitted: Stack

    def outputs(self, *, log_det: bool) -> Stack:
        """Return the last stack, the outputs of links, and log|det| where it is asked for."""
        if not log_det:
            return (*self.last, *self.emitted)
        total = self.last[0].new_zeros(len(self.last[0])) if self.total is None else self.total
        return (*self.last, *self.emitted, total)


@final
@dataclass(eq=False, kw_only=True)
class Tape:
    """The links of one forward pass, what it found on the way, and what its monitor remembers."""

    links: Sequence[Link]
    inventories: Sequence[Inventory]
    names: Sequence[Sequence[tuple[str | None, int]]]
    parameters: Sequence[Tensor]
    environment: Environment
    monitor: Monitor
    checkpoints: Collection[int]
    log_det: bool
    invert: bool
    states: int | None  # that may be stored; links between checkpoints are repeated at once if None
    looks: bool  # whether links are looked at before, for tensors that are not their own
    records: list[Record] = field(default_factory=list)
    handed: dict[int, list[Stack]] = field(default_factory=dict)  # to the backward pass, by key
    used: set[int] = field(default_factory=set)

    def forward(self, stack: Stack, context: Tensor | None) -> Outcome:
        """Apply the links."""
        total, watch = None, Watch(stack[0].device)
        kept: dict[int, Stack] = {}
        emitted: list[Tensor] = []
        marks: Marks = {}
        fresh = any(link.overwrites for link in self.links)
        first, stack = stack, copied(stack) if fresh else stack
        for k, link in enumerate(self.links):
            if k in self.checkpoints:
                kept[k] = (copied(stack) if fresh else stack) if k else first
            if self.looks:
                self._check_closed(k, stack, context)
            if self.invert:
                marks = self.monitor.prints.marks(stack, link.watched, marks)
            buffers, dtype = watch.before(self.inventories[k]), stack[0].dtype
            found, part = link.push(stack, context, log_det=self.log_det)
            self.records.append(watch.after(link, marks, buffers))
            marks = {i: marks[i] for i in link.left if i in marks}
            stack, outputs = link.parted(found)
            emitted += outputs
            total = added(total, part)
            if stack[0].dtype != dtype:
                raise TypeError(_DTYPE.format(name=link.name, old=dtype, new=stack[0].dtype))
        return Outcome(stack, total, kept, tuple(emitted))

    def stand_ins(
        self, tensors: Sequence[Tensor], alias: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Return tensors to differentiate by, and those that each link gets in place of its own."""
        # An alias stands in where someone watches the gradient of the user's own tensor: that is
        # told when the whole is known, once. And where the tensor is not the module's any more:
        # `torch.func.functional_call` puts others in their place for the forward pass only.
        own = set(map(id, self.members()))
        leaves = [t if id(t) in own and not is_watched(t) else alias(t) for t in tensors]
        replaced = [
            {name: leaves[i] for name, i in names if name and leaves[i] is not tensors[i]}
            for names in self.names
        ]
        return leaves, replaced

    def own(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the user's loose tensors in place of what hooks of saved tensors made of them."""
        loose = {i for names in self.names for name, i in names if name is None}
        return [self.parameters[i] if i in loose else t for i, t in enumerate(tensors)]

    def members(self) -> list[Tensor]:
        """Return all parameters of the modules, and loose tensors, which links may use."""
        modules = {id(link.module): link.module for link in self.links}.values()
        loose = [x for m in modules if isinstance(m, Captured) for x in m.loose]
        return [*(parameter for m in modules for parameter in m.parameters()), *loose]

    def call(
        self, k: int, replaced: Mapping[str, Tensor], function: Any, *args: Any, **kw: Any
    ) -> Any:
        """Call a function of link k as it was in the forward pass."""
        return repeat(self.links[k], self.records[k], replaced, function, *args, **kw)

    def receivers(self) -> list[Tensor]:
        """Return the parameters, without those that get no gradient and have hooks."""
        # Autograd would call the hooks with None.
        busy = {
            i
            for link, names in zip(self.links, self.names, strict=True)
            for name, i in names
            if name not in self.monitor.idle.get(link.name, ())
            or id(self.parameters[i]) in self.used
        }
        # And the history of a tensor that is merely within reach may be gone.
        loose = {i for names in self.names for name, i in names if name is None}
        far = {i for i in loose if self.looks and not self.parameters[i].is_leaf}
        far = {i for i in far if id(self.parameters[i]) not in self.used}
        return [
            p.detach() if i in far or (i not in busy and p.is_leaf and is_watched(p)) else p
            for i, p in enumerate(self.parameters)
        ]

    def _check_closed(self, k: int, stack: Stack, context: Tensor | None) -> None:
        """Look once for tensors that link k uses and that are not its own."""
        # And in every pass where one of its own once had no gradient, and somebody waits for it.
        link, idle = self.links[k], self.monitor.idle
        own = [(name, self.parameters[i]) for name, i in self.names[k]]
        if link.name in idle and not any(is_watched(p) for n, p in own if n in idle[link.name]):
            return
        with self.environment.again():
            copies = {n: b.clone() for n, b in link.module.named_buffers()}
            everything = [p for p in link.module.parameters() if p.requires_grad]
            record = Record({}, None, copies)
            arguments = (link, stack, context, [*(p for _, p in own), *everything])
            nodes = repeat(link, record, {}, _require_closed, *arguments, log_det=self.log_det)
        self.monitor.kinked |= any(node.name().startswith(_KINKS) for node in nodes)
        used = set(map(id, _leaves(nodes)))
        reached = {n for node in nodes for n, _ in node.next_functions}
        used |= {id(p) for _, p in own if p.grad_fn is not None and p.grad_fn in reached}
        idle.setdefault(link.name, set()).update(n for n, p in own if id(p) not in used)
        self.used |= used


def require_named(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], replaced: Sequence[Tensor]
) -> None:
    """Refuse a graph that does not end at the inputs, but at what they stand in for."""
    held = {id(tensor) for tensor in replaced} - {id(tensor) for tensor in inputs}
    if held and any(id(leaf) in held for leaf in _leaves(_graph(outputs, inputs))):
        raise OpenLayerError(HELD)


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


HELD = (
    "Expected layers that find their parameters by name, as torch.func.functional_call does; got "
    "one with a parameter that has a hook and that it uses under another name, from a list for "
    "instance: the hook would be called twice. Remove the hook, or use memory='autograd', "
    "gradient='autograd' of a flow or odeint."
)


def _require_closed(
    link: Link,
    stack: Stack,
    context: Tensor | None,
    parameters: Sequence[Tensor],
    *,
    log_det: bool,
) -> list[Node]:
    """Return the graph of a link, which must not have leaves that are not its own."""
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
    return require_own(link.name, outputs, own)


def require_own(name: str, outputs: Sequence[Tensor], own: Sequence[Tensor]) -> list[Node]:
    """Return the nodes between outputs and what a link knows of, refusing other leaves."""
    nodes = _graph(outputs, own)
    known = {id(tensor) for tensor in own}
    strangers = [leaf for leaf in _leaves(nodes) if id(leaf) not in known]
    if strangers:
        msg = (
            f"{name}: expected a layer that depends on its input, its context and its own "
            f"parameters; got one that also uses a tensor of shape {tuple(strangers[0].shape)} "
            "that requires a gradient, which would get none. Register it as a parameter of the "
            "layer, pass it as the context, or use memory='autograd', gradient='autograd' of a "
            "flow or odeint."
        )
        raise OpenLayerError(msg)
    return nodes


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


def _leaves(nodes: Sequence[Node]) -> list[Tensor]:
    """Return the leaves of a graph."""
    found = [getattr(node, "variable", None) for node in nodes]
    return [leaf for leaf in found if leaf is not None]
