"""The backward pass of a chain: undo link by link, watch the drift, fall back where it grows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import starmap
from typing import final

import torch
from torch import Tensor

from darboux.gradients._calibration import Calibration, rows_of, some_of
from darboux.gradients._checkpoint import part
from darboux.gradients._link import Stack, copied
from darboux.gradients._monitor import DriftError
from darboux.gradients._passes import Passes, Sums
from darboux.gradients._tape import Tape

_REPEATED = 64.0  # units of rounding by which a repeated evaluation may differ


@final
class Unwinding:
    """One backward pass."""

    def __init__(
        self,
        tape: Tape,
        kept: dict[int, Stack],
        context: Tensor | None,
        tensors: list[Tensor],
        ends: list[Stack],
        weight: Tensor | None,
        emitted: Mapping[int, Sequence[Tensor | None]],
    ) -> None:
        self.tape, self.kept = tape, dict(kept)
        # taken out of the list: what is overwritten or left behind nobody else shall hold
        self.gradients, self.stack = ends.pop(), ends.pop()
        self.dtype = self.gradients[0].dtype
        self.few = rows_of(self.gradients, some_of(self.gradients[0])) if tape.invert else ()
        self.calibrated = False
        self.passes = Passes(tape, tensors, context, weight, emitted)
        self.sums = Sums(len(tensors))

    def run(self) -> Stack:
        """Return the gradients with respect to the first stack, starting from the last one."""
        tape, stop = self.tape, len(self.tape.links)
        due = tape.monitor.begin([link.counted for link in tape.links])
        due = due and tape.invert and len(self.stack[0]) > 0
        with tape.environment.again(), torch.no_grad():
            if due and 0 in self.kept:
                self._calibrate(self.kept[0])
                self._keep_more()
            self.few = copied(self.few)  # gradients are overwritten
            starts = sorted({0, *self.kept})
            for before, start in reversed(list(enumerate(starts))):
                exact = self.kept.get(start)
                if tape.invert:
                    self._segment(start, stop, exact)
                elif exact is not None and tape.states is None:
                    self._repeat(start, stop, exact)  # together
                elif exact is not None and tape.states is not None:
                    self._revolve(start, stop, exact, tape.states - before)
                stop = start
                if start > 0 and exact is not None and tape.invert:
                    self.stack = copied(exact)
            if due and 0 not in self.kept:
                self._accept(self.stack)
        return self.gradients

    def _calibrate(self, stack: Stack) -> None:
        """Measure how much drift the gradients bear, starting from the first stack."""
        self.calibrated = True
        tape, passes = self.tape, self.passes
        accuracy = tape.monitor.accuracy_for(self.dtype, tape.environment.autocast)
        calibration = Calibration(tape, passes.tensors, passes.context, passes.weight, accuracy)
        calibration.run(stack, self.few)
        self.few = ()

    def _keep_more(self) -> None:
        """Compute the stacks at checkpoints that a calibration has just asked for."""
        links = len(self.tape.links)
        for k in sorted(k for k in self.tape.monitor.checkpoints if k < links):
            if k not in self.kept:
                before = max(j for j in self.kept if j < k)
                self.kept[k] = self.passes.ahead(before, k, self.kept[before])

    def _accept(self, stack: Stack) -> None:
        """Calibrate where nothing was kept: from what was reconstructed, afterwards."""
        before = set(self.tape.monitor.checkpoints)
        self._calibrate(stack)
        if self.tape.monitor.checkpoints != before:
            raise DriftError(_NOTHING_KEPT.format(name=self.tape.links[-1].name))

    def _segment(self, start: int, stop: int, exact: Stack | None) -> None:
        """Go through links start, ..., stop - 1, undoing them as long as that is accurate."""
        monitor = self.tape.monitor
        for k in range(stop - 1, start - 1, -1):
            if k == start and exact is not None:
                self.stack = exact
                self._repeat(start, k + 1, exact)
                return
            self.stack, pull = self.passes.retrace(k, self.stack)
            drift = self._difference(k, self.stack, undone=True)
            monitor.measured(k, drift)
            if not drift <= monitor.limit(start, self.dtype) and not self._bears(start, drift):
                self._halve(start, k + 1, exact, drift)
                return
            self.gradients = self.passes.pull(k, pull, self.gradients, self.sums)
            del pull  # and what it holds

    def _bears(self, start: int, drift: float) -> bool:
        """Return whether gradients bear a drift that is larger than it was; look once a pass."""
        if self.calibrated or 0 not in self.kept or drift != drift:
            return False
        before = set(self.tape.monitor.checkpoints)
        self._calibrate(self.kept[0])
        same = self.tape.monitor.checkpoints == before
        return same and drift <= self.tape.monitor.limit(start, self.dtype)

    def _halve(self, start: int, stop: int, exact: Stack | None, drift: float) -> None:
        """Compute activations again from the exact ones before, and go on from these."""
        monitor, name = self.tape.monitor, self.tape.links[stop - 1].name
        if exact is None:
            raise DriftError(_NOTHING_KEPT.format(name=name))
        middle = monitor.split(start, stop, drift, name, what="features")
        half = self.passes.ahead(start, middle, exact)
        end = self.passes.ahead(middle, stop, half)
        for k, again in ((middle, half), (stop, end)):
            self._require_repeatable(k, again)
        self.stack = copied(end)
        self._segment(middle, stop, half)
        self.stack = copied(half)
        self._segment(start, middle, exact)

    def _revolve(self, start: int, stop: int, exact: Stack, states: int) -> None:
        """Repeat links one by one, the last one first, storing states of which one is exact."""
        while stop - start > 1:
            middle = start + part(stop - start, states)
            half = self.passes.ahead(start, middle, exact)
            self._revolve(middle, stop, half, max(states - 1, 1))
            stop = middle
        self._repeat(start, stop, exact)

    def _repeat(self, start: int, stop: int, stack: Stack) -> None:
        """Evaluate links again from an exact stack, and differentiate them together."""
        found = self.passes.repeat(start, stop, stack, self.gradients, self.sums)
        self._require_repeatable(stop, found[0])
        self.gradients = found[1]

    def _difference(self, k: int, stack: Stack, *, undone: bool = False) -> float:
        kept = self.kept.get(k)
        if kept is not None:
            return max(starmap(_distance, zip(stack, kept, strict=True)))
        link, marks = self.tape.links[k], self.tape.records[k].marks
        if undone and link.exact:
            return 0.0
        return self.tape.monitor.prints.drift(marks, stack, link.left if undone else ())

    def _require_repeatable(self, k: int, stack: Stack) -> None:
        """Refuse activations that differ when they are computed again from exact ones."""
        if k == len(self.tape.links) or not (self.tape.invert or k in self.kept):
            return
        drift = self._difference(k, stack)
        if drift > _REPEATED * torch.finfo(stack[0].dtype).eps:
            name = self.tape.links[k - 1].name
            raise RuntimeError(_NOT_REPEATABLE.format(name=name, drift=drift))


def _distance(found: Tensor, kept: Tensor) -> float:
    """Return the relative difference of two states, 0 where they are no numbers anyway."""
    if torch.equal(found, kept):
        return 0.0
    norm = torch.linalg.vector_norm
    off, size = torch.stack([norm(found - kept), norm(kept)]).tolist()
    if not math.isfinite(size):
        return 0.0
    return off / size if size > 0 and math.isfinite(off) else math.inf


_NOTHING_KEPT = (
    "The inverses of links up to {name} magnify rounding, and nothing was kept from which their "
    "activations could be computed again. Use on_drift='checkpoint', or memory='checkpoint'."
)

_NOT_REPEATABLE = (
    "{name}, or a layer before it, gave another result when it was evaluated again from the same "
    "input (relative difference {drift:.2g}), so that no gradient can be computed without its "
    "activations. Use torch's random numbers and registered buffers only, or memory='autograd'."
)
