"""Passes through links: ahead without graphs, back by repetition, back by undoing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.gradients._link import LinkPull, Stack, added
from darboux.gradients._tape import Tape


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

    def __post_init__(self) -> None:
        self.replaced = self.tape.replaced(self.tensors)

    def ahead(self, start: int, stop: int, stack: Stack) -> Stack:
        """Return the stack before link `stop` from the one before link `start`."""
        with torch.no_grad():
            for k in range(start, stop):
                call = (self.replaced[k], self.tape.links[k].apply, stack, self.context)
                stack, _ = self.tape.call(k, *call, log_det=False)
        return stack

    def retrace(self, k: int, stack: Stack) -> tuple[Stack, LinkPull]:
        """Return the stack before link k, and what pulls gradients back; the stack is used up."""
        call = (self.replaced[k], self.tape.links[k].retrace, stack, self.context)
        return self.tape.call(k, *call)

    def pull(self, k: int, pull: LinkPull, gradients: Stack, sums: Sums) -> Stack:
        """Return the gradients with respect to the stack before link k, and add its others."""
        wanted = [*self.tape.own(k, self.tensors), *self._given()]
        call = (self.replaced[k], pull, gradients, self.weight, wanted)
        back, found = self.tape.call(k, *call)
        sums.add([i for _, i in self.tape.names[k]], found)
        return back

    def repeat(
        self, start: int, stop: int, stack: Stack, gradients: Stack, sums: Sums
    ) -> tuple[Stack, Stack]:
        """Evaluate links again from a stack and differentiate them together."""
        tape, asked = self.tape, self.weight is not None
        places = sorted({i for k in range(start, stop) for _, i in tape.names[k]})
        with torch.enable_grad():
            leaves = tuple([tensor.detach().requires_grad_() for tensor in stack])
            current, total = leaves, None
            for k in range(start, stop):
                call = (self.replaced[k], tape.links[k].apply, current, self.context)
                current, part = tape.call(k, *call, log_det=asked)
                total = added(total, part)
        outputs, cotangents = list(current), list(gradients)
        if total is not None and self.weight is not None:
            outputs.append(total)
            cotangents.append(self.weight)
        wanted = [*leaves, *(self.tensors[i] for i in places), *self._given()]
        found = gradients_of(outputs, wanted, cotangents)
        sums.add(places, found[len(leaves) :])
        back = [torch.zeros_like(s) if g is None else g for s, g in zip(stack, found, strict=False)]
        return tuple([tensor.detach() for tensor in current]), tuple(back)

    def _given(self) -> list[Tensor]:
        """Return the context, where it needs a gradient."""
        return [] if self.context is None or not self.context.requires_grad else [self.context]


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
