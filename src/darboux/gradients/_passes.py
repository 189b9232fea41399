"""Passes through links: ahead without graphs, back by repetition, back by undoing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from darboux.gradients._link import Link, LinkPull, Stack, added
from darboux.gradients._tape import HELD, OpenLayerError, Tape, require_own


@final
class Sums:
    """Gradients of parameters and of the context, added up link by link."""

    def __init__(self, count: int, *, reduce: Callable[[Tensor], Tensor] | None = None) -> None:
        self._reduce = reduce
        self.parameters: list[Tensor | None] = [None] * count
        self.context: Tensor | None = None

    def add(self, places: Sequence[int], found: Sequence[Tensor | None]) -> None:
        """Add gradients of some parameters, and of the context if it comes after them."""
        if self._reduce is not None:
            found = [None if gradient is None else self._reduce(gradient) for gradient in found]
        for i, gradient in zip(places, found, strict=False):
            self.parameters[i] = added(self.parameters[i], gradient)
        if len(found) > len(places):
            self.context = added(self.context, found[-1])

    def tensors(self) -> list[Tensor]:
        """Return those that there are."""
        return [t for t in (*self.parameters, self.context) if t is not None]


@final
@dataclass(eq=False)
class Passes:
    """Evaluates and differentiates the links of a tape, as they were in the forward pass."""

    tape: Tape
    tensors: Sequence[Tensor]
    context: Tensor | None
    weight: Tensor | None
    emitted: Mapping[int, Sequence[Tensor | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tensors = self.tape.own(self.tensors)
        self.leaves, self.replaced = self.tape.stand_ins(self.tensors, _leaf)

    def ahead(self, start: int, stop: int, stack: Stack) -> Stack:
        """Return the stack before link `stop` from the one before link `start`."""
        with torch.no_grad():
            for k in range(start, stop):
                link = self.tape.links[k]
                call = (self.replaced[k], link.apply, stack, self.context)
                stack = link.parted(self.tape.call(k, *call, log_det=False)[0])[0]
        return stack

    def retrace(self, k: int, stack: Stack) -> tuple[Stack, LinkPull]:
        """Return the stack before link k, and what pulls gradients back; the stack is used up."""
        call = (self.replaced[k], self.tape.links[k].retrace, stack, self.context)
        return self.tape.call(k, *call)

    def pull(self, k: int, pull: LinkPull, gradients: Stack, sums: Sums) -> Stack:
        """Return the gradients with respect to the stack before link k, and add its others."""
        places = [i for _, i in self.tape.names[k]]
        call = (self.replaced[k], pull, gradients, self.weight, self._wanted(places))
        back, found = self.tape.call(k, *call)
        sums.add(places, self._checked(places, found))
        return back

    def repeat(
        self, start: int, stop: int, stack: Stack, gradients: Stack, sums: Sums
    ) -> tuple[Stack, Stack]:
        """Evaluate links again from a stack and differentiate them together."""
        tape, asked = self.tape, self.weight is not None
        places = sorted({i for k in range(start, stop) for _, i in tape.names[k]})
        outputs: list[Tensor] = []
        cotangents: list[Tensor] = []
        with torch.enable_grad():
            leaves = tuple([tensor.detach().requires_grad_() for tensor in stack])
            current, total = leaves, None
            for k in range(start, stop):
                call = (self.replaced[k], tape.links[k].apply, current, self.context)
                found, part = tape.call(k, *call, log_det=asked)
                current, own = tape.links[k].parted(found)
                given = zip(own, self.emitted.get(k, ()), strict=False)
                pairs = [(o, c) for o, c in given if c is not None]
                outputs += [o for o, _ in pairs]
                cotangents += [c for _, c in pairs]
                total = added(total, part)
        outputs += current
        cotangents += gradients
        if total is not None and self.weight is not None:
            outputs.append(total)
            cotangents.append(self.weight)
        wanted = self._wanted(places)
        self._require_own(tape.links[start], outputs, [*leaves, *wanted])
        slopes = gradients_of(outputs, [*leaves, *wanted], cotangents)
        sums.add(places, self._checked(places, slopes[len(leaves) :]))
        back = [
            torch.zeros_like(s) if g is None else g for s, g in zip(stack, slopes, strict=False)
        ]
        return tuple([tensor.detach() for tensor in current]), tuple(back)

    def _require_own(self, link: Link, outputs: Sequence[Tensor], own: Sequence[Tensor]) -> None:
        """Refuse a link that uses what is not its own, looked at once in its graph."""
        known = self.tape.monitor.closed
        if not self.tape.looks and link.name not in known:
            require_own(link.name, outputs, [*own, *self._members])
            known.add(link.name)

    @cached_property
    def _members(self) -> list[Tensor]:
        return self.tape.members()

    def _wanted(self, places: Sequence[int]) -> list[Tensor]:
        """Return what to differentiate by: parameters, the context, and what must not occur."""
        context = self.context
        given = [] if context is None or not context.requires_grad else [context]
        wanted = [*[self.leaves[i] for i in places], *given]
        return [*wanted, *self._originals(places)] if self._replaced else wanted

    def _checked(
        self, places: Sequence[int], found: Sequence[Tensor | None]
    ) -> Sequence[Tensor | None]:
        """Return the gradients but those of what must not occur, or refuse where it does."""
        if not self._replaced:
            return found
        count = len(found) - len(self._originals(places))
        if any(gradient is not None for gradient in found[count:]):
            raise OpenLayerError(HELD)
        return found[:count]

    @cached_property
    def _replaced(self) -> dict[int, Tensor]:
        """The parameters that others stand in for, by place."""
        pairs = zip(self.tensors, self.leaves, strict=True)
        return {i: t for i, (t, leaf) in enumerate(pairs) if leaf is not t and t.requires_grad}

    def _originals(self, places: Sequence[int]) -> list[Tensor]:
        return [self._replaced[i] for i in places if i in self._replaced]


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()


def gradients_of(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    """Return Σ ⟨output, cotangent⟩ differentiated by each input, None where it does not depend.

    Args:
        outputs: with their graphs.
        inputs: with respect to what.
        cotangents: one for each output.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> gradients_of([3 * x, torch.ones(2)], [x], [torch.ones(2), torch.ones(2)])
        (tensor([3., 3.]),)
    """
    both = zip(outputs, cotangents, strict=True)
    pairs = [(o, c.to(o.dtype)) for o, c in both if o.requires_grad]
    if not pairs or not inputs:
        return (None,) * len(inputs)
    roots, weights = zip(*pairs, strict=True)
    return torch.autograd.grad(roots, list(inputs), weights, allow_unused=True)
