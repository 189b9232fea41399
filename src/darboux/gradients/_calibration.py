"""The drift that gradients bear, measured on a few samples by computing them both ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from darboux.gradients._fingerprint import Marks
from darboux.gradients._link import Stack, copied
from darboux.gradients._passes import Passes, Sums
from darboux.gradients._tape import Tape

_SAMPLES = 2  # at least: statistics of a batch need two

_PART = 4  # of the batch at most, as a divisor

_AS_ROUNDING = 4.0  # times the effect of one rounding may gradients be off, where they jump


@final
class Outcome(NamedTuple):
    """What came of one stretch of links."""

    drift: float
    error: float
    borne: float
    gradients: Stack


@final
class Calibration:
    """Compares gradients from undone links with exact ones, and puts checkpoints where needed."""

    # Rounding of the features matters as much as the gradients react to it, and that differs by
    # orders of magnitude from chain to chain. So a stretch of links is undone for a few samples of
    # the batch, and its gradients are compared with exact ones; it is halved until they agree.

    def __init__(
        self,
        tape: Tape,
        tensors: Sequence[Tensor],
        context: Tensor | None,
        weight: Tensor | None,
        accuracy: float,
    ) -> None:
        self.tape, self.accuracy = tape, accuracy
        self._whole = (tensors, context, weight)

    def run(self, stack: Stack, gradients: Stack) -> None:
        """Measure the stretches between checkpoints, the last one first.

        Args:
            stack: the first one.
            gradients: of the last stack, for `some_of` the samples.
        """
        few = some_of(stack[0])
        tensors, context, weight = self._whole
        given = None
        if context is not None:
            rows = slice(None) if self.tape.links[0].shares_context else few
            given = context.detach()[rows].requires_grad_(context.requires_grad)
        self.passes = Passes(self.tape, tensors, given, None if weight is None else weight[few])
        starts = sorted(
            {0, *(k for k in self.tape.monitor.checkpoints if k < len(self.tape.links))}
        )
        first, back = rows_of(stack, few), gradients
        stop = len(self.tape.links)
        for start in reversed(starts):
            back = self._stretch(start, stop, self.passes.ahead(0, start, first), back)
            stop = start

    def _stretch(self, start: int, stop: int, stack: Stack, gradients: Stack) -> Stack:
        """Measure links start, ..., stop - 1, halve them if need be; return exact gradients."""
        if stop - start == 1:
            return self._exact(start, stop, stack, gradients, self._sums())
        found = self._compared(start, stop, stack, gradients)
        monitor = self.tape.monitor
        if found.error <= found.borne:
            monitor.allow(start, found.drift, found.error, found.borne)
            return found.gradients
        middle = monitor.split(start, stop, found.error, self.tape.links[stop - 1].name)
        back = self._stretch(middle, stop, self.passes.ahead(start, middle, stack), gradients)
        return self._stretch(start, middle, stack, back)

    def _compared(self, start: int, stop: int, stack: Stack, gradients: Stack) -> Outcome:
        """Return how far gradients from undone links are off."""
        passes, prints, links = self.passes, self.tape.monitor.prints, self.tape.links
        exact, undone = self._sums(), self._sums()
        truth = self._exact(start, stop, stack, gradients, exact)
        marks: list[Marks] = []
        current, drift = stack, 0.0
        for k in range(start, stop):
            marks.append(prints.marks(current, links[k].watched, {}))
            current = passes.ahead(k, k + 1, current)
        current, back = copied(current), copied(gradients)
        for k in range(stop - 1, start, -1):
            current, pull = passes.retrace(k, current)
            back = passes.pull(k, pull, back, undone)
            if not links[k].exact:
                drift = max(drift, prints.drift(marks[k - start], current, links[k].left))
            if not math.isfinite(drift):
                return Outcome(drift, math.inf, self.accuracy, truth)
        del current
        _, back = passes.repeat(start, start + 1, stack, back, undone)
        error = _error((back, undone), (truth, exact))
        borne = self.accuracy
        if error > borne and self.tape.monitor.kinked:
            borne = max(borne, _AS_ROUNDING * self._rounding(start, stop, stack, gradients))
        return Outcome(drift, error, borne, truth)

    def _rounding(self, start: int, stop: int, stack: Stack, gradients: Stack) -> float:
        """Return by how much exact gradients differ when features change by one rounding."""
        # Where derivatives jump, those of plain backpropagation are no more certain than that.
        nudged = tuple(s * (1 + torch.finfo(s.dtype).eps) for s in stack)
        sums = self._sums(), self._sums()
        one, other = (
            self._exact(start, stop, features, gradients, found)
            for features, found in zip((stack, nudged), sums, strict=True)
        )
        return _error((one, sums[0]), (other, sums[1]))

    def _sums(self) -> Sums:
        """Return sums of projections of gradients: to compare them, they need not be kept."""
        reduce = self.tape.monitor.prints.projections
        return Sums(len(self.passes.tensors), reduce=reduce)

    def _exact(self, start: int, stop: int, stack: Stack, gradients: Stack, sums: Sums) -> Stack:
        """Return exact gradients."""
        back = [gradients]
        self._back(start, stop, stack, back, sums)
        return back[0]

    def _back(self, start: int, stop: int, stack: Stack, back: list[Stack], sums: Sums) -> None:
        """Replace gradients by exact ones, by thirds: log K stacks, K log K evaluations."""
        if stop - start == 1:
            back[0] = self.passes.repeat(start, stop, stack, back[0], sums)[1]
            return
        third = -(-(stop - start) // 3)
        for lower in reversed(range(start, stop, third)):
            here = self.passes.ahead(start, lower, stack)
            self._back(lower, min(lower + third, stop), here, back, sums)
            del here


def _error(found: tuple[Stack, Sums], exact: tuple[Stack, Sums]) -> float:
    """Return the larger relative difference: of gradients by features, or by parameters."""
    features = _difference(found[0], exact[0])
    return max(features, _difference(found[1].tensors(), exact[1].tensors()))


def some_of(x: Tensor) -> slice:
    """Return the places of some samples, spread over the batch."""
    count = min(len(x), max(_SAMPLES, math.ceil(len(x) / _PART)))
    step = max(len(x) // max(count, 1), 1)
    return slice(0, step * count, step)


def rows_of(stack: Stack, rows: slice) -> Stack:
    """Return some samples of a stack, as views."""
    return tuple(tensor[rows] for tensor in stack)


def _difference(found: Stack | list[Tensor], exact: Stack | list[Tensor]) -> float:
    """Return the relative difference of gradients; none where they are not finite anyway."""
    size = math.sqrt(sum(float(t.double().square().sum()) for t in exact))
    pairs = zip(found, exact, strict=False)
    off = math.sqrt(sum(float((a.double() - b.double()).square().sum()) for a, b in pairs))
    if not math.isfinite(size) or off == 0.0:
        return 0.0
    return off / size if size > 0 and math.isfinite(off) else math.inf
