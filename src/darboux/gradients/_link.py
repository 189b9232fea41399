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

    Source: section 4.2.1.

    Args:
        module: whose parameters and buffers the step uses.
        name: for messages.
    """

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

    @abstractmethod
    def retrace(self, stack: Stack, context: Tensor | None) -> tuple[Stack, LinkPull]:
        """Return the stack before the step, without graph, and what pulls gradients back.

        In no_grad mode; the stack may be overwritten. The function takes the gradients with
        respect to the stack after the step, which it may overwrite, that with respect to the
        log-determinants or None, and what else is wanted.
        """


def added(total: Tensor | None, part: Tensor | None) -> Tensor | None:
    """Return the sum of two log-determinants, None standing for zero."""
    if total is None or part is None:
        return part if total is None else total
    return total + part


def copied(stack: Stack) -> Stack:
    """Return copies that may be overwritten."""
    return tuple([tensor.clone(memory_format=torch.contiguous_format) for tensor in stack])
