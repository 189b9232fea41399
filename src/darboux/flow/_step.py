"""One step of a flow as a map of its own, and the pairs of states of two-step methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, final

import torch
from torch import Tensor

from darboux.fields import VectorField
from darboux.fields._field import Prepared
from darboux.flow._steps import StepRule, StepSize, step_limit
from darboux.integrators import GradientForm, Integrator, Time, lacks
from darboux.structure import (
    Claim,
    Claims,
    Gap,
    Invertible,
    Kind,
    Premise,
    Structure,
    VolumePreserving,
    claims_of,
    steps_have,
)
from darboux.structure._arguments import checked
from darboux.structure._module import Module


@final
class Step(Module):
    """The map z_k -> z_{k+1} of one step, z' = Φ_h(z), and the theorems that apply to it.

    Shapes: z is (batch, features, *space), kept.

    Source: section 2.2.

    Args:
        field: what flows.
        integrator: how it flows.
        rule: picks h.
        time: t_k, where the step begins.
        index: k.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
        >>> name, step = flow.maps()[0]
        >>> name, step.size(), step.limit()
        ('step0', 1.8, 2.0)
    """

    def __init__(
        self,
        field: VectorField,
        integrator: Integrator,
        rule: StepRule,
        *,
        time: float = 0.0,
        index: int = 0,
    ) -> None:
        super().__init__()
        self.field = field
        self.integrator = integrator
        self.rule = rule
        self.time = time
        self.index = index

    def forward(self, z: Tensor) -> Tensor:
        """Return z_{k+1}."""
        return advance(self.field.prepare(), self.integrator, self.size(), self.time, z)

    def size(self) -> StepSize:
        """Return h."""
        return self.rule.size(self.field, self.integrator, self.index)

    def limit(self) -> StepSize | None:
        """Return -2 ν̄ r, up to which the step is nonexpansive, or None."""
        return step_limit(self.field, self.integrator)

    def energy(self, z: Tensor) -> Tensor:
        """Return the field's energy at z, (batch,).

        Raises:
            TypeError: if the field has none.
        """
        return field_energy(self.field, self.time, z)

    def inverse(self, y: Tensor) -> Tensor:
        """Return z_k from z_{k+1}.

        Raises:
            TypeError: if the method cannot step back on its own.
        """
        back = step_back(self.integrator)
        return back(self.field.prepare(), self.time, self.size(), y)

    def claims(self) -> Claims:
        """Return the theorems that apply to this step, with their numbers."""
        return claims_of(self)  # `darboux.flow._theorems` registers them


def advance(
    prepared: Prepared, integrator: Integrator, h: StepSize, time: Time, z: Tensor
) -> Tensor:
    """Return z(t + h), one step of an integrator along a prepared field.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> advance(field.prepare(), dx.integrators.Euler(), 0.5, 0.0, torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """
    state = integrator.init(prepared, time, h, z)
    return integrator.value(integrator.step(prepared, time, h, state))


@checked
def field_energy(field: VectorField, time: Time, z: Tensor) -> Tensor:
    """Return the energy of a field at (t, z), (batch,).

    Raises:
        TypeError: if the field has none.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> field_energy(field, 0.0, torch.zeros(2, 4))
        tensor([0., 0.], grad_fn=<SumBackward1>)
    """
    if lacks(field, "energy"):
        msg = f"Expected a field with an energy; got {type(field).__name__}, which has none."
        raise TypeError(msg)
    return cast("GradientForm", field).energy(time, z)


def step_back(integrator: Integrator) -> Callable[..., Any]:
    """Return the method's ``step_back``, for one-step methods."""
    if integrator.doubled:
        msg = (
            f"inverse: expected a one-step method; got {integrator!r}, whose state is a pair: z "
            "alone does not determine where it came from. Use flow.doubled()."
        )
        raise TypeError(msg)
    if not integrator.invertible:
        msg = (
            f"inverse: expected a method that steps back in closed form; got {integrator!r}. Use "
            "StormerVerlet(), SymplecticEuler(), Composition(4) or Splitting() with a field on "
            "phase space, or LeapfrogMidpoint() and flow.doubled() with any field. A method of "
            "your own that steps back says so by invertible = True."
        )
        raise TypeError(msg)
    return integrator.step_back


Pair = tuple[Tensor, Tensor]


def halved(x: Tensor) -> Pair:
    """Return the members of a pair of states, the two halves of the channel axis."""
    if x.ndim < 2 or x.shape[1] % 2:
        msg = (
            f"DoubledFlow: expected pairs (batch, 2 features, *space); got shape "
            f"{tuple(x.shape)}. Use start(z) to begin at z."
        )
        raise ValueError(msg)
    first, second = x.chunk(2, dim=1)
    return first, second


def paired(pair: Pair) -> Tensor:
    """Return a pair as one tensor."""
    return torch.cat(pair, dim=1)


def pair_claims(method: Integrator) -> Claims:
    """Return what holds for the pairs of a two-step method."""
    if not method.invertible:
        return Claims(gaps=(Gap("", f"{method!r} does not say that it can be undone"),))
    reason = f"{method!r}: shears and reflections of pairs, for any field"
    found = (VolumePreserving(), Invertible())
    return Claims(tuple(Claim(s, Kind.CONSTRUCTION, reason, _kept(method, s)) for s in found))


def _kept(method: Integrator, structure: Structure) -> tuple[Premise, ...]:
    return (steps_have(method, fields="all", structure=structure),)
