"""Layers as links of a chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from darboux.bijections.bijection import Bijection
from darboux.bijections.rearrangement import Rearrangement
from darboux.gradients import Link, Stack, Undone


@final
class BijectionLink(Link):
    """A bijection that acts on the top of the stack.

    Args:
        module: the bijection.
        name: for messages.
    """

    def __init__(self, module: Bijection, name: str) -> None:
        super().__init__(module, name)
        self.bijection = module

    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Apply the bijection to the top."""
        top, *rest = stack
        if not log_det:
            return (self.bijection(top, context), *rest), None
        top, part = self.bijection.forward_and_log_det(top, context)
        return (top, *rest), part

    def undo(
        self,
        stack: Stack,
        gradients: Stack,
        log_det_gradient: Tensor | None,
        wanted: Sequence[Tensor],
        context: Tensor | None,
    ) -> Undone:
        """Undo the bijection, and go back through it."""
        (top, *rest), (gradient, *others) = stack, gradients
        undo = self.bijection.undo
        x, back, found = undo(top, gradient, log_det_gradient, wanted, context)
        return (x, *rest), (back, *others), found


@final
class RearrangementLink(Link):
    """A rearrangement of the stack: gradients are rearranged back like values.

    Args:
        module: the rearrangement.
        name: for messages.
    """

    def __init__(self, module: Rearrangement, name: str) -> None:
        super().__init__(module, name)
        self.rearrangement = module

    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Rearrange the stack."""
        del context, log_det
        return self.rearrangement(stack), None

    def undo(
        self,
        stack: Stack,
        gradients: Stack,
        log_det_gradient: Tensor | None,
        wanted: Sequence[Tensor],
        context: Tensor | None,
    ) -> Undone:
        """Rearrange stack and gradients back: a permutation's inverse is its adjoint."""
        del log_det_gradient, context
        inverse = self.rearrangement.inverse
        return inverse(stack), inverse(gradients), tuple(None for _ in wanted)
