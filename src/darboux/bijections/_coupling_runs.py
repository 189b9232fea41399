"""Couplings with one partition that follow each other: their features are cut and joined once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import final

import torch
from torch import Tensor, nn

from darboux.bijections._coupling import Coupling, Parts
from darboux.bijections._partition import Partition, dense
from darboux.gradients import Link, LinkPull, LinkPulled, Stack
from darboux.structure._rules import departure, ours


def runs_of(layers: Sequence[nn.Module]) -> list[Sequence[nn.Module]]:
    """Return the layers in order, couplings with one partition that follow each other together."""
    # Not where a compiler fuses what is cut and joined, nor where a class of someone else or a
    # hook wants whole features.
    if torch.compiler.is_compiling():
        return [[layer] for layer in layers]
    return [list(run) for _, run in groupby(layers, _common)]


def _common(layer: nn.Module) -> object:
    """Return what the layers of one run have in common, something else for each of the others."""
    if isinstance(layer, Coupling) and layer.partition.views and ours(layer) is type(layer):
        return layer.partition if not departure(layer, type(layer)) else object()
    return object()


def run_couplings(
    run: Sequence[Coupling], x: Tensor, context: Tensor | None, *, log_det: bool, back: bool
) -> tuple[Tensor, Tensor | None]:
    """Return what couplings with one partition make of x, which is cut and joined once."""
    parts, total = run[0]._split(x), None
    if x.ndim == 5:
        parts = dense(parts[0]), dense(parts[1])
    for layer in run:
        law = layer.law.inverse if back else layer.law.forward
        parts, slopes = layer._moved(law, parts, context)
        if log_det:
            found = layer._log_det(parts[0], slopes)
            total = found if total is None else total + found
    return run[0].partition.join(*parts).contiguous(), total


def links_of(run: Sequence[Coupling], names: Sequence[str]) -> list[Link]:
    """Return the couplings as links on parts, between one that cuts and one that joins."""
    partition = run[0].partition
    return [
        _PartitionLink(partition, f"the parts before {names[0]}", cuts=True),
        *(_CouplingLink(layer, name) for layer, name in zip(run, names, strict=True)),
        _PartitionLink(partition, f"the features after {names[-1]}", cuts=False),
    ]


@final
class _PartitionLink(Link):
    """Cuts the top of the stack into its parts, in memory of their own, or joins them."""

    counted = False
    exact = True

    def __init__(self, partition: Partition, name: str, *, cuts: bool) -> None:
        super().__init__(nn.Identity(), name)
        self.partition = partition
        self.cuts = cuts
        self.watched = (0,) if cuts else (0, 1)

    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Cut or join."""
        del context, log_det
        return self._turn(stack, cuts=self.cuts), None

    def retrace(self, stack: Stack, context: Tensor | None) -> tuple[Stack, LinkPull]:
        """Join or cut, and gradients alike."""
        del context

        def pull(gradients: Stack, weight: Tensor | None, wanted: Sequence[Tensor]) -> LinkPulled:
            del weight
            return self._turn(gradients, cuts=not self.cuts), tuple(None for _ in wanted)

        return self._turn(stack, cuts=not self.cuts), pull

    def _turn(self, stack: Stack, *, cuts: bool) -> Stack:
        if not cuts:
            first, second, *rest = stack
            return (self.partition.join(first, second).contiguous(), *rest)
        top, *rest = stack
        return (*map(dense, self.partition.split(top)), *rest)


@final
class _CouplingLink(Link):
    """A coupling of the two upper tensors of the stack."""

    # Parts lie in memory as `retrace` finds them, because dropout draws in the order of memory.

    module: Coupling
    watched = (0, 1)

    def __init__(self, module: Coupling, name: str) -> None:
        super().__init__(module, name)
        self.left = (1,) if module.swap else (0,)

    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Move one part."""
        layer, (parts, rest) = self.module, _apart(stack)
        parts, slopes = layer._moved(layer.law.forward, parts, context)
        total = layer._log_det(parts[0], slopes) if log_det else None
        return (*map(dense, parts), *rest), total

    def push(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Move one part, which it may overwrite."""
        parts, rest = _apart(stack)
        parts, total = self.module.push_parts(parts, context, log_det=log_det)
        return (*map(dense, parts), *rest), total

    def retrace(self, stack: Stack, context: Tensor | None) -> tuple[Stack, LinkPull]:
        """Move the part back."""
        parts, rest = _apart(stack)
        parts, pull_parts = self.module.retrace_parts(parts, context)

        def pull(gradients: Stack, weight: Tensor | None, wanted: Sequence[Tensor]) -> LinkPulled:
            ends, others = _apart(gradients)
            back, found = pull_parts(ends, weight, wanted)
            return (*back, *others), found

        return (*parts, *rest), pull


def _apart(stack: Stack) -> tuple[Parts, Stack]:
    first, second, *rest = stack
    return (first, second), tuple(rest)
