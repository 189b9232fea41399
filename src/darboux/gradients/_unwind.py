"""The backward pass of a chain: undo link by link, watch the drift, fall back where it grows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import starmap
from typing import final

import torch
from torch import Tensor

from darboux.gradients._calibration import Calibration
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
        gradients: Stack,
        weight: Tensor | None,
        emitted: Mapping[int, Sequence[Tensor | None]],
    ) -> None:
        self.tape, self.kept = tape, dict(kept)
        self.gradients = copied(gradients) if tape.invert else gradients
        self.whole = gradients
        self.calibrated = False
        self.passes = Passes(tape, tensors, context, weight, emitted)
        self.sums = Sums(len(tensors))

    def run(self, stack: Stack) -> Stack:
        """Return the gradients with respect to the first stack, starting from the last one."""
        tape, stop = self.tape, len(self.tape.links)
        due = tape.monitor.begin(stop) and tape.invert and len(stack[0]) > 0
        with tape.environment.again(), torch.no_grad():
            if due and 0 in self.kept:
                self._calibrate(self.kept[0])
                self._keep_more()
            starts = sorted({0, *self.kept})
            for before, start in reversed(list(enumerate(starts))):
                exact = self.kept.get(start)
                if tape.invert:
                    stack = self._segment(start, stop, exact, stack)
                elif exact is not None and tape.states is None:
                    self._repeat(start, stop, exact)  # together
                elif exact is not None and tape.states is not None:
                    self._revolve(start, stop, exact, tape.states - before)
                stop, stack = start, stack if exact is None else exact
            if due and 0 not in self.kept:
                self._accept(stack)
        return self.gradients

    def _calibrate(self, stack: Stack) -> None:
        """Measure how much drift the gradients bear, starting from the first stack."""
        self.calibrated = True
        tape, passes = self.tape, self.passes
        dtype = self.whole[0].dtype
        accuracy = tape.monitor.accuracy_for(dtype, tape.environment.autocast)
        calibration = Calibration(tape, passes.tensors, passes.context, passes.weight, accuracy)
        calibration.run(stack, self.whole)

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

    def _segment(self, start: int, stop: int, exact: Stack | None, stack: Stack) -> Stack:
        """Go through links start, ..., stop - 1, undoing them as long as that is accurate."""
        monitor, stack = self.tape.monitor, copied(stack)
        for k in range(stop - 1, start - 1, -1):
            if k == start and exact is not None:
                self._repeat(start, k + 1, exact)
                return exact
            stack, pull = self.passes.retrace(k, stack)
            drift = self._difference(k, stack)
            monitor.measured(k, drift)
            if not drift <= monitor.limit(start, stack[0].dtype) and not self._bears(start, drift):
                return self._halve(start, k + 1, exact, drift)
            self.gradients = self.passes.pull(k, pull, self.gradients, self.sums)
        return stack

    def _bears(self, start: int, drift: float) -> bool:
        """Return whether gradients bear a drift that is larger than it was; look once a pass."""
        if self.calibrated or 0 not in self.kept or drift != drift:
            return False
        before = set(self.tape.monitor.checkpoints)
        self._calibrate(self.kept[0])
        dtype = self.whole[0].dtype
        same = self.tape.monitor.checkpoints == before
        return same and drift <= self.tape.monitor.limit(start, dtype)

    def _halve(self, start: int, stop: int, exact: Stack | None, drift: float) -> Stack:
        """Compute activations again from the exact ones before, and go on from these."""
        monitor, name = self.tape.monitor, self.tape.links[stop - 1].name
        if exact is None:
            raise DriftError(_NOTHING_KEPT.format(name=name))
        middle = monitor.split(start, stop, drift, name, what="features")
        half = self.passes.ahead(start, middle, exact)
        end = self.passes.ahead(middle, stop, half)
        for k, again in ((middle, half), (stop, end)):
            self._require_repeatable(k, again)
        self._segment(middle, stop, half, end)
        return self._segment(start, middle, exact, half)

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

    def _difference(self, k: int, stack: Stack) -> float:
        kept = self.kept.get(k)
        if kept is not None:
            return max(starmap(_distance, zip(stack, kept, strict=True)))
        mark = self.tape.records[k].mark
        assert mark is not None  # every link is marked
        return self.tape.monitor.prints.drift(mark, stack[0])

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
