"""The ways to a gradient of `odeint`: its steps as those of a flow whose field is a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, final

import torch
from torch import Tensor

from darboux.flow._continuous import continuous
from darboux.flow._gradients import Gradient, Way, require_way
from darboux.flow._links import Leg
from darboux.flow._odeint_arguments import Times
from darboux.flow._state_form import StateForm
from darboux.flow._user_field import as_field
from darboux.gradients import Monitor
from darboux.gradients._captured import Captured
from darboux.gradients._propagate import is_recorded
from darboux.integrators import Field, Integrator, StepSize
from darboux.integrators._adaptive import Adaptive
from darboux.integrators._recording import Recording
from darboux.integrators._step_control import Manner
from darboux.solvers._transforms import hidden


@final
@dataclass(frozen=True)
class Chosen:
    """A way to a gradient that is to reach some tensors only, beside the state."""

    gradient: Gradient
    parameters: tuple[Tensor, ...]


@final
@dataclass(frozen=True, eq=False)
class Course:
    """A way through the steps of a function, and what that closes over."""

    way: Way
    module: Captured
    prepare: Callable[[], Field]

    @staticmethod
    def of(
        method: Integrator, gradient: Gradient | Chosen, f: Any, form: StateForm, z: Tensor
    ) -> Course | None:
        """Return the course of a gradient, None for that of autograd."""
        if gradient == "autograd":
            return None
        return hidden(Course._found)(method, gradient, f, form, z)

    @staticmethod
    def _found(
        method: Integrator, gradient: Gradient | Chosen, f: Any, form: StateForm, z: Tensor
    ) -> Course:
        wanted = gradient.parameters if isinstance(gradient, Chosen) else None
        gradient = gradient.gradient if isinstance(gradient, Chosen) else gradient
        require_way(method, gradient)
        prepare = partial(as_field, f, form, z.detach())
        return Course(Way(method, gradient, Monitor()), Captured(f, wanted), prepare)

    @property
    def recording(self) -> Recording:
        """What the steps of a method that picks them are taken again for, each time anew."""
        return Recording(self.module, self.prepare, self.way.memory, Monitor())

    def fixed(self, times: Times, longest: float | None, z: Tensor) -> list[Tensor]:
        """Return the states at all times but the first, by a method with fixed steps."""
        legs: list[Leg] = []
        counts = []
        before: StepSize | None = None
        for k in range(len(times.values) - 1):
            for t, h in times.steps(k, longest):
                anew = self.way.method.doubled and before is not None
                restart = before is None or (anew and not times.are_equal(h, before))
                legs.append(Leg(self.module, self.prepare, t, h, starts=restart))
                before = h
            counts.append(len(legs))
        passed = sorted({count - 1 for count in counts if count})
        if not legs:
            return [z] * len(counts)
        # no memory of another way, that may have used less
        _, found = replace(self.way, monitor=Monitor()).run(legs, (z,), passed)
        values = dict(zip(passed, found, strict=True))
        return [values[count - 1] if count else z for count in counts]

    def adaptive(self, field: Field, times: Times, z: Tensor, manner: Manner) -> list[Tensor]:
        """Return the states at all times but the first, by a method that picks its steps."""
        method, start = self.way.method, times.values[0]
        assert isinstance(method, Adaptive)
        offsets = [time - start for time in times.values[1:]]
        if self.way.gradient != "continuous":
            return method.solution(field, start, offsets, z, manner, self.recording)
        if not is_recorded((z, *self.module.parameters(), *self.module.loose)):
            return method.solution(field, start, offsets, z, manner)
        with torch.no_grad():
            values = method.solution(field, start, offsets, z, manner)
        found = []
        for (t, after), value in zip(pairwise(times.values), values, strict=True):
            leg = Leg(self.module, self.prepare, t, after - t)
            z = continuous(method, (leg,) if after != t else (), z, value)
            found.append(z)
        return found
