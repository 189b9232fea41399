"""A two-step flow as a bijection of its pairs of states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import Bijection, Pull, Pulled, pull_back, zeros
from darboux.flow._pairs import Pair, halved, paired
from darboux.flow._step import Step
from darboux.flow._volume import with_log_det
from darboux.gradients import gradients_of
from darboux.integrators import LeapfrogMidpoint
from darboux.structure import Claim, Claims, Invertible, Kind, VolumePreserving

if TYPE_CHECKING:
    from darboux.flow._doubled import DoubledFlow


@final
class PairBijection(Bijection):
    """A two-step flow as a bijection of its pairs of states, for any field.

    Every feature depends on all others, and the inverse costs as much as the way there: fast
    inverses without coupling. In a `darboux.bijections.Chain` each step is undone on its own.

    Shapes: pairs are (batch, 2 features, *space), kept.

    Source: section 4.3.1.

    Args:
        doubled: the flow of pairs.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
        >>> pairs = dx.Flow(field, dx.integrators.LeapfrogMidpoint(), steps=4).doubled()
        >>> layer, x = pairs.as_bijection(), torch.randn(2, 6)
        >>> torch.testing.assert_close(layer.inverse(layer(x)), x)
    """

    def __init__(self, doubled: DoubledFlow) -> None:
        super().__init__()
        self.doubled = doubled

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the pair after the last step, and zeros."""
        del context
        return self.doubled(x), zeros(x)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the pair before the first step, and zeros."""
        del context
        return self.doubled.inverse(y), zeros(y)

    def parts(self) -> Iterator[tuple[str, Bijection]]:
        """Yield the steps, as bijections."""
        for name, step in self.doubled.flow.steps():
            yield name, PairStepBijection(step)

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the steps as maps of their own."""
        return list(self.parts())

    def claims(self) -> Claims:
        """Return the claims of the flow of pairs, and that log|det| = 0."""
        return with_log_det(self.doubled.claims())


@final
class PairStepBijection(Bijection):
    """One step of a two-step method as a bijection of pairs.

    Args:
        step: of a flow with a two-step integrator.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
        >>> flow = dx.Flow(field, dx.integrators.ReversibleHeun(), steps=4)
        >>> layer, x = PairStepBijection(flow.steps()[0][1]), torch.randn(2, 6)
        >>> torch.testing.assert_close(layer.inverse(layer(x)), x)
    """

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the pair after the step, and zeros."""
        del context
        step = self.step
        method, prepared = step.integrator, step.field.prepare()
        return paired(method.step(prepared, step.time, step.size(), halved(x))), zeros(x)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the pair before the step, and zeros."""
        del context
        step = self.step
        back, prepared = step.integrator.step_back, step.field.prepare()  # type: ignore[attr-defined]
        return paired(back(prepared, step.time, step.size(), halved(y))), zeros(y)

    def retrace(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Pull]:
        """Undo the step; a leapfrog step (x, z) -> (z, x + 2h f(z)) evaluates f once."""
        if isinstance(self.step.integrator, LeapfrogMidpoint):
            return _retrace_leapfrog(self.step, halved(y))
        x = self.inverse(y, context)

        def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
            return pull_back(self, x, gradient, weight, wanted, context)

        return x, pull

    def claims(self) -> Claims:
        """Return that the step is undone exactly, and preserves volume."""
        reason = f"{self.step.integrator!r}: shears and reflections of pairs, for any field"
        found = (VolumePreserving(), Invertible())
        return with_log_det(Claims(tuple(Claim(s, Kind.CONSTRUCTION, reason) for s in found)))


def _retrace_leapfrog(step: Step, y: Pair) -> tuple[Tensor, Pull]:
    """Undo (x, z) -> (z, x + 2h f(z)) with one evaluation of f."""
    z, future = y
    with torch.enable_grad():
        leaf = z.detach().requires_grad_()
        kick = 2 * step.size() * step.field.prepare()(step.time, leaf)

    def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
        del weight  # log|det| = 0
        own, later = halved(gradient)
        slope, *found = gradients_of([kick], [leaf, *wanted], [later])
        return paired((later, own if slope is None else own + slope)), tuple(found)

    return paired((future - kick.detach(), z)), pull
