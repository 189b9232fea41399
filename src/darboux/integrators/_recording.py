"""Given steps of an adaptive method taken again, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, final

from torch import Tensor, nn

from darboux.gradients import Checkpoint, Link, Memory, Monitor, Stack, propagate
from darboux.integrators._integrator import Field
from darboux.integrators._outputs import Between, Outputs, Passing
from darboux.integrators._path import Path
from darboux.solvers._convergence import Numbers
from darboux.solvers._transforms import is_differentiated


@final
@dataclass(frozen=True, eq=False)
class Recording:
    """How derivatives go through the steps of a field, and whose parameters it uses."""

    module: nn.Module
    prepare: Callable[[], Field]
    memory: Memory | Checkpoint
    monitor: Monitor


class _Method(Protocol):
    def begin(self, z: Tensor, first: Tensor) -> Stack: ...

    def substep(
        self, path: Path, places: Numbers, k: int, stack: Stack, *, dense: bool
    ) -> tuple[Stack, Between]: ...


def taken(
    method: _Method,
    path: Path,
    places: Numbers,
    z: Tensor,
    first: Tensor,
    outputs: Outputs,
    recording: Recording | None,
) -> Tensor:
    """Return the result of steps between places, with its derivatives, and find the outputs."""
    dense, steps = bool(outputs.places), range(places.shape[1] - 1)
    if recording is None:
        stack = method.begin(z, first)
        for k in steps:
            stack, between = method.substep(path, places, k, stack, dense=dense)
            outputs.collect(between, places[:, k], places[:, k + 1], stack[0].device)
        return stack[0]
    links = [_Substep(recording, method, path, places, k, outputs) for k in steps]
    context = path.clocks() if any(map(is_differentiated, (path.t, path.h))) else None
    memory, monitor = recording.memory, recording.monitor
    after, _ = propagate(links, (z,), context, log_det=False, memory=memory, monitor=monitor)
    values = iter(after[len(after) - sum(link.emitted for link in links) :])
    for link in links:
        for passing in link.passed:
            outputs.put(passing, next(values))
    return after[0]


@final
class _Substep(Link):
    """One of the steps, with the states at places within it."""

    def __init__(
        self,
        recording: Recording,
        method: _Method,
        path: Path,
        places: Numbers,
        k: int,
        outputs: Outputs,
    ) -> None:
        super().__init__(recording.module, f"step {k} of {type(method).__name__}")
        self.prepare, self.method, self.path = recording.prepare, method, path
        self.places, self.k, self.dense = places, k, bool(outputs.places)
        self.passed: list[Passing] = outputs.passed(places[:, k], places[:, k + 1])
        self.emitted = len(self.passed)

    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Take the step."""
        del log_det
        path = replace(self.path, field=self.prepare())
        if context is not None:
            path = replace(path, t=context[0], h=context[1])
        if self.k == 0:  # the first slope is part of the first step
            (z,) = stack
            stack = self.method.begin(z, path.first(z, type(self.method).__name__))
        device = stack[0].device
        after, between = self.method.substep(path, self.places, self.k, stack, dense=self.dense)
        return (*after, *(between(passing.part(device)) for passing in self.passed)), None
