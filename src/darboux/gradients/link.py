"""The abstract link: one step of a chain that can be undone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

Stack = tuple[Tensor, ...]
Undone = tuple[Stack, Stack, tuple[Tensor | None, ...]]


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

    @abstractmethod
    def undo(
        self,
        stack: Stack,
        gradients: Stack,
        log_det_gradient: Tensor | None,
        wanted: Sequence[Tensor],
        context: Tensor | None,
    ) -> Undone:
        """Return the stack before, its gradients, and those with respect to `wanted`.

        Args:
            stack: after the step, without graph.
            gradients: with respect to its entries.
            log_det_gradient: with respect to the log-determinants, or None.
            wanted: what else is to be differentiated.
            context: that of the forward pass.
        """


def added(total: Tensor | None, part: Tensor | None) -> Tensor | None:
    """Return the sum of two log-determinants, None standing for zero.

    Example:
        >>> import torch
        >>> added(None, torch.ones(2)), added(torch.ones(2), None)
        (tensor([1., 1.]), tensor([1., 1.]))
    """
    if total is None or part is None:
        return part if total is None else total
    return total + part
