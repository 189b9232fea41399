"""Methods that pick their steps: the way through a search for them, and its derivatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from darboux.gradients import Stack
from darboux.integrators._integrator import Field, Integrator, StepSize, Time, step_size
from darboux.integrators._outputs import Between, Crossing, Outputs, Stops
from darboux.integrators._path import Path, as_number
from darboux.integrators._recording import Recording, taken
from darboux.integrators._step_control import Manner, Search, Tolerance, Tries
from darboux.solvers._convergence import Numbers
from darboux.solvers._transforms import hidden, is_differentiated, is_dual, nesting
from darboux.structure._arguments import Within

Longest = Annotated[float, Within("a positive number, or infinity", above=0, infinite=True)]

_PLAIN = Manner()


@dataclass(frozen=True, kw_only=True)
class Adaptive(Integrator, ABC):
    """A method whose `step` takes as many smaller steps as its tolerances ask for.

    The first axis of z is that of independent samples, and each has its own steps.
    """

    rtol: float
    atol: float
    max_steps: int
    min_step: float
    max_step: float
    first_step: float | None

    by_sample = True

    def __post_init__(self) -> None:
        if self.rtol == self.atol == 0:
            name = type(self).__name__
            msg = f"{name}: expected rtol > 0 or atol > 0; got 0 for both. Use rtol=1e-6."
            raise ValueError(msg)

    @abstractmethod
    def tries(self, path: Path, tolerance: Tolerance) -> Tries:
        """Return how steps along a path are tried."""

    @abstractmethod
    def begin(self, z: Tensor, first: Tensor) -> Stack:
        """Return the state of the method, z first, from z and its slope."""

    @abstractmethod
    def substep(
        self, path: Path, places: Numbers, k: int, stack: Stack, *, dense: bool
    ) -> tuple[Stack, Between]:
        """Return the state after step k between places, with derivatives, and those within it."""

    def step(
        self,
        field: Field,
        t: Time,
        h: StepSize,
        state: Tensor,
        recording: Recording | None = None,
    ) -> Tensor:
        """Return z(t + h) from z(t).

        Args:
            field: (t, z) -> f(t, z), of the shape of z; t is (batch, 1, ..., 1).
            t: the time, a number or a 0-dimensional tensor.
            h: how far to go, a number or a 0-dimensional tensor, of either sign.
            state: z, (batch, ...).
            recording: how derivatives go through the steps; by autograd if None.

        Raises:
            StiffnessError: if steps become too short or too many, naming the sample.
            ValueError: if h is a tensor with axes, or f(t, z) has another shape than z or is
                not finite.
            RuntimeError: inside `torch.func.vmap` or a compiled graph.
        """
        self._check(state)
        step_size(h, state)  # refuses one with axes
        with torch.autocast(state.device.type, enabled=False):
            # one graph break instead of many graphs that depend on values
            return hidden(self._integrated)(field, t, h, state, recording)

    def solution(
        self,
        field: Field,
        t: Time,
        offsets: Sequence[StepSize],
        z: Tensor,
        manner: Manner = _PLAIN,
        recording: Recording | None = None,
    ) -> list[Tensor]:
        """Return z(t + s) for all s of `offsets`, by one sequence of steps.

        They do not end at the times t + s, but for the last one if the manner says so: states
        there are interpolated.

        Args:
            field: as for `step`.
            t: the time of z.
            offsets: numbers or 0-dimensional tensors that never fall, or never rise, from 0 on.
            z: the state, (batch, ...).
            manner: what else is asked for; z is (batch, entries) if it has members.
            recording: how derivatives go through the steps; by autograd if None.

        Raises:
            StiffnessError, ValueError, RuntimeError: as for `step`.
        """
        self._check(z)
        with torch.autocast(z.device.type, enabled=False):
            return hidden(self._sampled)(field, t, offsets, z, manner, recording)

    def until(
        self,
        field: Field,
        t: Time,
        h: float,
        z: Tensor,
        height: Callable[[float, Tensor], float],
        manner: Manner = _PLAIN,
        recording: Recording | None = None,
    ) -> tuple[float, Tensor, float | None]:
        """Return s and z(t + s) of one sample where a function of (s, z) falls to 0, and its fall.

        It must be positive at the start, and is looked at where steps end. The fall is its mean
        slope within the step; where it stays positive that is None, and s is h.
        """
        self._check(z)
        crossing = Crossing(lambda place, state: height(place * h, state))
        with torch.autocast(z.device.type, enabled=False):
            (after,) = hidden(self._passed)(Path(field, t, h), z, crossing, manner, recording)
        fall = None if crossing.fall is None else crossing.fall / h
        return crossing.places[0] * h, after, fall

    def _check(self, z: Tensor) -> None:
        name = type(self).__name__
        if torch.compiler.is_compiling():
            msg = (
                f"{name}: expected eager execution; got torch.compile with fullgraph=True, but "
                "the number of steps depends on the values. Use fullgraph=False, or an explicit "
                "method with fixed steps, for instance Kutta4()."
            )
            raise RuntimeError(msg)
        if z.ndim == 0:
            msg = f"{name}: expected z of shape (batch, ...); got a number. Use z.reshape(1)."
            raise ValueError(msg)

    def _integrated(
        self, field: Field, t: Time, h: StepSize, z: Tensor, recording: Recording | None
    ) -> Tensor:
        path = Path(field, t, h)
        first = path.first(z, type(self).__name__)
        if z.numel() == 0:
            return z + step_size(h, z) * first
        seen = [is_differentiated(x) for x in (first, z, t, h)]
        if as_number(h) == 0:
            places, after = np.tile([0.0, 1.0], (len(z), 1)), z.detach()
        else:
            search = self._search(path, seen, _PLAIN)
            with torch.no_grad():
                places, after = search.run(z.detach(), first.detach())
        if not any(seen):
            return after
        return taken(self, path, places, z, first, Outputs(()), recording)

    def _sampled(
        self,
        field: Field,
        t: Time,
        offsets: Sequence[StepSize],
        z: Tensor,
        manner: Manner,
        recording: Recording | None,
    ) -> list[Tensor]:
        numbers = [as_number(offset) for offset in offsets]
        path = Path(field, t, numbers[-1])
        still = len(numbers) if z.numel() == 0 else numbers.count(0.0)
        places = [number / numbers[-1] for number in numbers[still:]]
        values = [z] * still + self._passed(path, z, Outputs(places), manner, recording)
        return [
            path.shifted(number, offset - number, value) if is_differentiated(offset) else value
            for offset, number, value in zip(offsets, numbers, values, strict=True)
        ]

    def _passed(
        self,
        path: Path,
        z: Tensor,
        stops: Stops,
        manner: Manner,
        recording: Recording | None = None,
    ) -> list[Tensor]:
        """Return the states at some places, fractions of the path."""
        first = path.first(z, type(self).__name__)
        if isinstance(stops, Outputs) and not stops.places:
            return []
        seen = [is_differentiated(x) for x in (first, z, path.t)]
        search = self._search(path, seen, manner)
        with torch.no_grad():
            places = search.sample(z.detach(), first.detach(), stops, ends=manner.ends)
        if any(seen):
            stops = Outputs(stops.places)
            taken(self, path, places, z, first, stops, recording)
        return stops.found()

    def _search(self, path: Path, seen: list[bool], manner: Manner) -> Search:
        """Return the search for the steps, without derivatives, of forward mode too.

        Every slope on the way tells in `seen` whether a derivative may be asked for: parameters
        may enter a field late.
        """
        grad, watched = torch.is_grad_enabled(), nesting() > 0

        def plain(t: Tensor, z: Tensor) -> Tensor:
            if not grad:
                slope, found = path.slope(t, z), watched
            else:
                with torch.enable_grad():
                    slope = path.slope(t, z)
                    found = watched or slope.requires_grad
            seen.append(found or is_dual(slope))
            return slope.detach() if seen[-1] else slope

        tolerance = Tolerance(float(self.rtol), float(self.atol), manner.sizes, manner.measure)
        return Search(
            plain,
            as_number(path.t),
            as_number(path.h),
            tolerance,
            self.max_steps,
            self.min_step,
            self.tries(path, tolerance),
            self.max_step,
            self.first_step,
            manner.watch,
        )
