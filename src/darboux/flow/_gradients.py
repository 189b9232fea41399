"""The ways to a gradient through steps, of a flow or of `odeint`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

import torch
from torch import Tensor

from darboux.fields import VectorField
from darboux.flow._continuous import continuous
from darboux.flow._links import Leg, StepLink, joined
from darboux.gradients import Checkpoint, Memory, Monitor, Stack, propagate
from darboux.gradients._checkpoint import EVERYTHING
from darboux.gradients._propagate import is_recorded
from darboux.integrators import Integrator, StepSize, Time
from darboux.integrators._adaptive import Adaptive
from darboux.integrators._recording import Recording
from darboux.solvers._transforms import is_differentiated

Gradient = Literal["autograd", "checkpoint", "adjoint", "reversible", "continuous"] | Checkpoint
"""How derivatives go through the steps of a flow."""

_MEMORIES: dict[str, Memory | Checkpoint] = {
    "checkpoint": Checkpoint(),
    "adjoint": EVERYTHING,
    "reversible": "constant",
}


@final
@dataclass(frozen=True, eq=False)
class Way:
    """A method, the way in which derivatives go through its steps, and what they remember."""

    method: Integrator
    gradient: Gradient
    monitor: Monitor

    @property
    def memory(self) -> Memory | Checkpoint:
        """What the engine keeps."""
        if isinstance(self.gradient, Checkpoint):
            return self.gradient
        return _MEMORIES.get(self.gradient, "autograd")

    def run(
        self, legs: Sequence[Leg], stack: Stack, outputs: Collection[int] = ()
    ) -> tuple[Stack, list[Tensor]]:
        """Return the state after some steps, as a stack, and z after those that `outputs` names."""
        if isinstance(self.method, Adaptive) or self.gradient == "continuous":
            return self._by_step(legs, stack[0], outputs)
        context = _clocks(legs)
        links = [
            StepLink(leg, k, self.method, emitted=int(k in outputs)) for k, leg in enumerate(legs)
        ]
        if self.memory == "constant" and len(outputs) > 0:
            return self._undone(links, stack, context)
        memory, monitor = self.memory, self.monitor
        found, _ = propagate(links, stack, context, log_det=False, memory=memory, monitor=monitor)
        count = len(found) - len(outputs)
        return found[:count], list(found[count:])

    def _undone(
        self, links: Sequence[StepLink], stack: Stack, context: Tensor | None
    ) -> tuple[Stack, list[Tensor]]:
        """Return what `run` does, undoing the steps from one output to the next."""
        # An output is there anyway, and what an output follows need not be undone.
        ends = [k + 1 for k, link in enumerate(links) if link.emitted]
        starts = [k for k, link in enumerate(links) if link.leg.starts]
        outputs: list[Tensor] = []
        for k, stop in pairwise(sorted({0, *ends, *starts, len(links)})):
            memory: Memory | Checkpoint = "constant" if stop - k > 1 else EVERYTHING
            found, _ = propagate(
                [link.silent() for link in links[k:stop]],
                stack,
                context,
                log_det=False,
                memory=memory,
                monitor=Monitor(),
            )
            stack = found
            if links[stop - 1].emitted:
                outputs.append(self.method.value(joined(stack)))
        return stack, outputs

    def _by_step(
        self, legs: Sequence[Leg], z: Tensor, outputs: Collection[int]
    ) -> tuple[Stack, list[Tensor]]:
        found, start = [], 0
        for k in sorted({*outputs, len(legs) - 1}):
            part, start = legs[start : k + 1], k + 1
            z = self._continued(part, z)
            found += [z] * (k in outputs)
        return (z,), found

    def _continued(self, legs: Sequence[Leg], z: Tensor) -> Tensor:
        parameters = [p for leg in legs for p in leg.module.parameters()]
        if self.gradient == "continuous" and is_recorded((z, *parameters)):
            return continuous(self.method, legs, z)
        for leg in legs:
            field = leg.prepare()
            if isinstance(self.method, Adaptive) and self.gradient != "continuous":
                recording = Recording(leg.module, leg.prepare, self.memory, self.monitor)
                z = self.method.step(field, leg.t, leg.h, z, recording)
            else:
                state = self.method.init(field, leg.t, leg.h, z)
                z = self.method.value(self.method.step(field, leg.t, leg.h, state))
        return z


def legs_of(fields: Sequence[VectorField], sizes: Sequence[StepSize], *, starts: bool) -> list[Leg]:
    """Return the steps of a flow, one after another from t = 0."""
    legs: list[Leg] = []
    t: Time = 0.0
    for field, h in zip(fields, sizes, strict=True):
        legs.append(Leg(field, field.prepare, t, h, starts=starts and not legs))
        t = t + h
    return legs


def require_way(method: Integrator, gradient: Gradient) -> None:
    """Refuse a method whose steps have no derivatives in a way.

    Raises:
        TypeError: if it cannot step back, or is no method for the equations of theorem 3.1.
    """
    if gradient == "reversible" and not method.invertible:
        msg = (
            f"gradient='reversible': expected a method that can be undone; got {method!r}. Use "
            "StormerVerlet(), Composition(4), LeapfrogMidpoint() or ReversibleHeun(), or "
            "gradient='adjoint', which works for all methods."
        )
        raise TypeError(msg)
    general = method.tableau is not None or isinstance(method, Adaptive)
    if gradient == "continuous" and (not general or method.on_manifolds):
        msg = (
            f"gradient='continuous': expected a Runge-Kutta method, which takes any equation; got "
            f"{method!r}. Use gradient='adjoint', which is exact and works for all methods."
        )
        raise TypeError(msg)


def _clocks(legs: Sequence[Leg]) -> Tensor | None:
    """Return the times and sizes of steps, (2, K), float64, where they have derivatives."""
    values = [*(leg.t for leg in legs), *(leg.h for leg in legs)]
    if not any(map(is_differentiated, values)):
        return None
    device = next(x.device for x in values if isinstance(x, Tensor))
    tensors = [torch.as_tensor(x, dtype=torch.float64, device=device) for x in values]
    return torch.stack(tensors).reshape(2, len(legs))
