"""Layers as links of a chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from darboux.bijections._bijection import Bijection
from darboux.bijections._rearrangement import Rearrangement
from darboux.gradients import Link, LinkPull, LinkPulled, Stack


@final
class BijectionLink(Link):
    """A bijection that acts on the top of the stack."""

    module: Bijection

    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Apply the bijection to the top."""
        top, *rest = stack
        if not log_det:
            return (self.module(top, context), *rest), None
        top, part = self.module.forward_and_log_det(top, context)
        return (top, *rest), part

    def push(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Apply the bijection to the top, which it may overwrite."""
        top, *rest = stack
        top, part = self.module.push(top, context, log_det=log_det)
        return (top, *rest), part

    def retrace(self, stack: Stack, context: Tensor | None) -> tuple[Stack, LinkPull]:
        """Undo the bijection on the top."""
        top, *rest = stack
        x, pull = self.module.retrace(top, context)

        def pull_stack(
            gradients: Stack, weight: Tensor | None, wanted: Sequence[Tensor]
        ) -> LinkPulled:
            first, *others = gradients
            back, found = pull(first, weight, wanted)
            return (back, *others), found

        return (x, *rest), pull_stack


@final
class RearrangementLink(Link):
    """A rearrangement of the stack: gradients are rearranged back like values."""

    module: Rearrangement

    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Rearrange the stack."""
        del context, log_det
        return self.module(stack), None

    def retrace(self, stack: Stack, context: Tensor | None) -> tuple[Stack, LinkPull]:
        """Rearrange the stack back, and gradients alike: a permutation's inverse is its adjoint."""
        del context
        inverse = self.module.inverse

        def pull(gradients: Stack, weight: Tensor | None, wanted: Sequence[Tensor]) -> LinkPulled:
            del weight
            return inverse(gradients), tuple(None for _ in wanted)

        return inverse(stack), pull
