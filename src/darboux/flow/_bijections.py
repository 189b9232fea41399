"""Flows and their steps as bijections, for chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import Bijection, Pull, Pulled, pull_back, zeros
from darboux.flow._links import retrace_leapfrog
from darboux.flow._step import Pair, Step, halved, pair_claims, paired, step_back
from darboux.flow._theorems.geometry import symplecticity, volume
from darboux.integrators import LeapfrogMidpoint, lacks
from darboux.structure import (
    Claim,
    Claims,
    Invertible,
    LogDeterminant,
    VolumePreserving,
)
from darboux.structure._arguments import shown


@final
class StepBijection(Bijection):
    """One step of a flow as a bijection: of z, or of pairs of states with a two-step method.

    Shapes: z is (batch, features, *space), pairs are (batch, 2 features, *space), kept.

    Source: sections 2.2.3 and 4.3.1.

    Args:
        step: that can be stepped back.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.HamiltonianField(
        ...     dx.linear.Dense(2, 3), dx.linear.Dense(2, 3), dx.activations.Tanh()
        ... )
        >>> flow = dx.Flow(field, dx.integrators.SymplecticEuler(), steps=2)
        >>> layer = StepBijection(flow.steps()[0][1])
        >>> torch.testing.assert_close(layer.inverse(layer(torch.ones(1, 4))), torch.ones(1, 4))
    """

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the features, or the pair, after the step."""
        del context
        step = self.step
        if not step.integrator.doubled:
            return step(x)
        prepared = step.field.prepare()
        return paired(step.integrator.step(prepared, step.time, step.size(), halved(x)))

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the features, or the pair, before the step."""
        del context
        step = self.step
        if not step.integrator.doubled:
            return step.inverse(y)
        back, prepared = step.integrator.step_back, step.field.prepare()
        return paired(back(prepared, step.time, step.size(), halved(y)))

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the features after the step, and zeros.

        Raises:
            TypeError: if the step does not preserve volume.
        """
        _require_volume([self.step])
        return self.forward(x, context), zeros(x)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the features before the step, and zeros."""
        _require_volume([self.step])
        return self.inverse(y, context), zeros(y)

    def retrace(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Pull]:
        """Undo the step; a leapfrog step (x, z) -> (z, x + 2h f(z)) evaluates f once."""
        if isinstance(self.step.integrator, LeapfrogMidpoint):
            return _retrace_leapfrog(self.step, halved(y))
        x = self.inverse(y, context)

        def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
            return pull_back(self, x, gradient, weight, wanted, context)

        return x, pull

    def claims(self) -> Claims:
        """Return the claims of the step, and that log|det| = 0 where volume is preserved."""
        method = self.step.integrator
        return _with_log_det(pair_claims(method) if method.doubled else self.step.claims())


def _retrace_leapfrog(step: Step, y: Pair) -> tuple[Tensor, Pull]:
    """Undo (x, z) -> (z, x + 2h f(z)) with one evaluation of f."""
    with torch.enable_grad():
        field, h = step.field.prepare(), step.size()
    x, back = retrace_leapfrog(field, step.time, h, y)

    def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
        found = back(halved(gradient), weight, wanted)
        return paired((found[0][0], found[0][1])), found[1]

    return paired(x), pull


class _Stepwise(Protocol):
    """A flow, or that of the pairs of a two-step method."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def inverse(self, y: Tensor) -> Tensor: ...

    def steps(self) -> list[tuple[str, Step]]: ...

    def claims(self) -> Claims: ...


@final
class FlowBijection(Bijection):
    """A flow that can be stepped back, z -> z(T), as a bijection: its `maps` are its steps.

    In a `darboux.bijections.Chain` each of the steps is undone on its own, so that K steps need
    no more memory than one. The flow of pairs of a two-step method is invertible whatever the
    field is: every feature depends on all others, and the inverse costs as much as the way there.

    Shapes: z is (batch, features, *space), pairs are (batch, 2 features, *space), kept.

    Source: sections 2.2.3, 4.2.1 and 4.3.1.

    Args:
        flow: a flow whose steps claim to be invertible, or `flow.doubled()`.

    Raises:
        TypeError: if the method cannot step back.
        ValueError: if the steps cannot be undone in closed form.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.HamiltonianField(
        ...     dx.linear.Dense(2, 3), dx.linear.Dense(2, 3), dx.activations.Tanh()
        ... )
        >>> layer = dx.Flow(field, dx.integrators.StormerVerlet(), steps=4).as_bijection()
        >>> x = torch.randn(5, 4)
        >>> torch.testing.assert_close(layer.inverse(layer(x)), x)
        >>> layer.forward_and_log_det(x)[1]
        tensor([0., 0., 0., 0., 0.])
    """

    def __init__(self, flow: _Stepwise) -> None:
        super().__init__()
        if not isinstance(flow, nn.Module) or lacks(flow, "steps", "claims"):
            msg = f"FlowBijection: expected a Flow, or flow.doubled(); got {shown(flow)}."
            raise TypeError(msg)
        step = flow.steps()[0][1]
        if flow.claims().find(Invertible) is None:
            step_back(step.integrator)  # refuses methods that cannot
            msg = (
                f"as_bijection: expected steps that are undone in closed form; "
                f"{step.integrator!r} on {type(step.field).__name__} solves equations that may "
                "have more than one solution. Use a separable field, or LeapfrogMidpoint() and "
                "flow.doubled()."
            )
            raise ValueError(msg)
        # the names under which parameters are saved
        self._name = "doubled" if step.integrator.doubled else "flow"
        setattr(self, self._name, flow)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return z(T)."""
        del context
        return self._flow()(x)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return z(0)."""
        del context
        return self._flow().inverse(y)

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return z(T), and zeros.

        Raises:
            TypeError: if the flow does not preserve volume.
        """
        _require_volume(self._steps())
        return self.forward(x, context), zeros(x)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return z(0), and zeros, with the errors of `forward_and_log_det`."""
        _require_volume(self._steps())
        return self.inverse(y, context), zeros(y)

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the steps as bijections, with names, in order."""
        return [(name, StepBijection(step)) for name, step in self._flow().steps()]

    def claims(self) -> Claims:
        """Return the claims of the flow, and that log|det| = 0 where volume is preserved."""
        return _with_log_det(self._flow().claims())

    def _flow(self) -> _Stepwise:
        flow: _Stepwise = getattr(self, self._name)
        return flow

    def _steps(self) -> list[Step]:
        return [step for _, step in self._flow().steps()]


def _require_volume(steps: Sequence[Step]) -> None:
    """Refuse log-determinants where volume is not known to be preserved."""
    for step in steps:
        if not (step.integrator.doubled or symplecticity(step) or volume(step)):
            msg = (
                "log-determinant: expected a flow that preserves volume; this one does not claim "
                "to, and its log-determinant is not known. Use forward() and inverse(), a "
                "divergence-free or separable field, or darboux.density.ContinuousFlow."
            )
            raise TypeError(msg)


def _with_log_det(claims: Claims) -> Claims:
    """Return the claims, and that log|det| = 0 is right where volume is preserved."""
    kept = claims.find(VolumePreserving)
    if kept is None:
        return claims
    found = Claim(LogDeterminant(), kept.kind, kept.reason, kept.premises)
    return Claims((*claims.claims, found), claims.gaps)
