"""The steps of a flow, or of `odeint`, as links through which derivatives go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.flow._step import Pair
from darboux.gradients import Link, LinkPull, LinkPulled, Stack, gradients_of
from darboux.integrators import Field, Integrator, LeapfrogMidpoint, StepSize, Time


@final
@dataclass(frozen=True, eq=False)
class Leg:
    """One step: its field, the module whose parameters that uses, when and how far."""

    module: nn.Module
    prepare: Callable[[], Field]
    t: Time
    h: StepSize
    starts: bool = False  # whether the method makes its state from z, whatever it was


@final
class StepLink(Link):
    """One step of a method; the tensors of its state are the stack, and z is an output or not."""

    shares_context = True  # times and step sizes

    def __init__(self, leg: Leg, k: int, method: Integrator, *, emitted: int = 0) -> None:
        super().__init__(leg.module, f"step {k} of {type(method).__name__}")
        self.leg, self.k, self.method, self.emitted = leg, k, method, emitted

    def apply(
        self, stack: Stack, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        """Return the state after the step, and z where it is asked for."""
        del log_det
        method, field, (t, h) = self.method, self.leg.prepare(), self._clock(context)
        state = joined(stack)
        if self.leg.starts:
            z = stack[0] if len(stack) == 1 else method.value(state)
            state = method.init(field, t, h, z)
        state = method.step(field, t, h, state)
        outputs = (method.value(state),) if self.emitted else ()
        return (*(state if isinstance(state, tuple) else (state,)), *outputs), None

    def retrace(self, stack: Stack, context: Tensor | None) -> tuple[Stack, LinkPull]:
        """Undo the step; one of the leapfrog method evaluates f once."""
        if isinstance(self.method, LeapfrogMidpoint):
            with torch.enable_grad():
                field, (t, h) = self.leg.prepare(), self._clock(context)
            return retrace_leapfrog(field, t, h, (stack[0], stack[1]))
        t, h = self._clock(context)
        state = self.method.step_back(self.leg.prepare(), t, h, joined(stack))
        before: Stack = state if isinstance(state, tuple) else (state,)

        def pull(gradients: Stack, weight: Tensor | None, wanted: Sequence[Tensor]) -> LinkPulled:
            del weight
            with torch.enable_grad():
                leaves = tuple([tensor.detach().requires_grad_() for tensor in before])
                after, _ = self.apply(leaves, context, log_det=False)
            found = gradients_of(after, [*leaves, *wanted], gradients)
            own = zip(before, found, strict=False)
            back = tuple([torch.zeros_like(x) if g is None else g for x, g in own])
            return back, found[len(before) :]

        return before, pull

    def silent(self) -> StepLink:
        """Return the link without outputs of its own."""
        return StepLink(self.leg, self.k, self.method)

    def _clock(self, context: Tensor | None) -> tuple[Time, StepSize]:
        """Return (t, h), from the context where they have derivatives."""
        if context is None:
            return self.leg.t, self.leg.h
        return context[0, self.k], context[1, self.k]


def joined(stack: Stack) -> Any:
    """Return the state that a stack holds: a tensor or a tuple."""
    return stack[0] if len(stack) == 1 else stack


def retrace_leapfrog(field: Field, t: Time, h: StepSize, y: Pair) -> tuple[Pair, LinkPull]:
    """Undo (x, z) -> (z, x + 2h f(z)) with one evaluation of f."""
    z, future = y
    with torch.enable_grad():
        leaf = z.detach().requires_grad_()
        kick = 2 * h * field(t, leaf)

    def pull(gradients: Stack, weight: Tensor | None, wanted: Sequence[Tensor]) -> LinkPulled:
        del weight  # log|det| = 0
        own, later = gradients
        slope, *found = gradients_of([kick], [leaf, *wanted], [later])
        return (later, own if slope is None else own + slope), tuple(found)

    return (future - kick.detach(), z), pull
