"""The abstract link: one step of a chain that can be undone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Stack = tuple[Tensor, ...]
"""State of a chain: the tensors that go from layer to layer."""

LinkPulled = tuple[Stack, tuple[Tensor | None, ...]]
"""What a pull returns: the stack before the layer, and the gradients of it and its parameters."""

LinkPull = Callable[[Stack, Tensor | None, Sequence[Tensor]], LinkPulled]
"""Undoes a layer: (stack after it, gradient of the log-determinant, gradients of the stack)."""


class Link(ABC):
    """One step on a stack of tensors, top first, with its log-determinant.

    A link that is never undone needs no `retrace`. It may have outputs of its own: the last
    `emitted` of the tensors that it returns do not go on to the next link.

    Source: section 4.2.1.

    Args:
        module: whose parameters and buffers the step uses.
        name: for messages.
    """

    emitted: int = 0
    counted: bool = True  # whether it is one of the user's
    watched: tuple[int, ...] = (0,)  # places of the stack that are compared when it is undone
    left: tuple[int, ...] = ()  # those of them that the step leaves as they are
    exact: bool = False  # whether undoing it moves entries and no more
    shares_context = False  # whether the context is the same for all samples, not a row for each

    def __init__(self, module: nn.Module, name: str) -> None:
        self.module = module
        self.name = name

    @abstractmethod
    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Return the next stack, and log|det| (batch,), or None where it is zero or not asked."""

    def push(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Return what `apply` returns, in no_grad mode; the stack may be overwritten."""
        return self.apply(stack, context, log_det=log_det)

    def retrace(self, stack: Stack, context: Tensor | None) -> tuple[Stack, LinkPull]:
        """Return the stack before the step, without graph, and what pulls gradients back.

        In no_grad mode; the stack may be overwritten. The function takes the gradients with
        respect to the stack after the step, which it may overwrite, that with respect to the
        log-determinants or None, and what else is wanted.

        Raises:
            TypeError: if the step cannot be undone.
        """
        del stack, context
        msg = f"{self.name}: expected a step that can be undone; this one has no retrace()."
        raise TypeError(msg)

    @property
    def overwrites(self) -> bool:
        """Whether `push` may write into the stack that it gets."""
        return type(self).push is not Link.push

    def parted(self, found: Stack) -> tuple[Stack, Stack]:
        """Return what goes on to the next link, and the outputs of this one."""
        last = len(found) - self.emitted
        return found[:last], found[last:]


def added(total: Tensor | None, part: Tensor | None) -> Tensor | None:
    """Return the sum of two log-determinants, None standing for zero."""
    if total is None or part is None:
        return part if total is None else total
    return total + part


def copied(stack: Stack) -> Stack:
    """Return copies that may be overwritten."""
    return tuple([tensor.clone(memory_format=torch.contiguous_format) for tensor in stack])
