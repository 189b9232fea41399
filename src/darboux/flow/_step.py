"""One step of a flow as a map of its own, with its claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from torch import Tensor, nn

from darboux.fields import VectorField
from darboux.fields._field import Prepared
from darboux.flow._steps import StepRule, StepSize, step_limit
from darboux.flow._theorems import (
    contraction,
    energy,
    equivariance,
    growth,
    inverse,
    linear_growth,
    reversibility,
    symplecticity,
    volume,
)
from darboux.integrators import Integrator, PostActivation, Time
from darboux.structure import Claims, Gap, claims_of, composition


@final
class Step(nn.Module):
    """The map z_k -> z_{k+1} of one step, z' = Φ_h(z), and the theorems that apply to it.

    Shapes: z is (batch, features, *space), kept.

    Source: section 2.2.

    Args:
        field: what flows.
        integrator: how it flows.
        rule: picks h.
        time: t_k, where the step begins.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
        >>> name, step = flow.maps()[0]
        >>> name, step.size(), step.limit()
        ('step0', 1.8, 2.0)
    """

    def __init__(
        self, field: VectorField, integrator: Integrator, rule: StepRule, *, time: float = 0.0
    ) -> None:
        super().__init__()
        self.field = field
        self.integrator = integrator
        self.rule = rule
        self.time = time

    def forward(self, z: Tensor) -> Tensor:
        """Return z_{k+1}."""
        return advance(self.field.prepare(), self.integrator, self.size(), self.time, z)

    def size(self) -> StepSize:
        """Return h."""
        return self.rule.size(self.field, self.integrator)

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
        contractive = contraction(self)  # once: it evaluates the bounds of the field
        metric = contractive or growth(self)
        inner = Claims(tuple(metric), () if metric else self._gaps())
        if isinstance(self.integrator, PostActivation):
            whole = composition(
                [("step", inner), ("activation", claims_of(self.integrator.activation))]
            )
            others = (*linear_growth(self), *equivariance(self))
            return Claims(whole.claims + others, whole.gaps)
        symplectic = symplecticity(self)
        phase = symplectic or volume(self)  # symplectic maps preserve volume
        others = (
            *energy(self, contractive),
            *phase,
            *inverse(self),
            *reversibility(self),
            *equivariance(self),
        )
        return Claims(inner.claims + others, inner.gaps)

    def _gaps(self) -> tuple[Gap, ...]:
        name = type(self.field).__name__
        if self.field.lipschitz() is None:
            return (Gap("", f"{name} has no Lipschitz constant for all z"),)
        return (Gap("", f"no Lipschitz constant of {self.integrator!r} on {name} is known"),)


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


def field_energy(field: VectorField, time: float, z: Tensor) -> Tensor:
    """Return the energy of a field at (t, z), (batch,).

    Raises:
        TypeError: if the field has none.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> field_energy(field, 0.0, torch.zeros(2, 4))
        tensor([0., 0.], grad_fn=<SumBackward1>)
    """
    energy = getattr(field, "energy", None)
    if energy is None:
        msg = f"Expected a field with an energy; {type(field).__name__} has none."
        raise TypeError(msg)
    return energy(time, z)


Back = Callable[..., Any]


def step_back(integrator: Integrator) -> Back:
    """Return the method's ``step_back``, for one-step methods."""
    back: Back | None = getattr(integrator, "step_back", None)
    if integrator.doubled:
        msg = (
            f"inverse: expected a one-step method; got {integrator!r}, whose state is a pair: z "
            "alone does not determine where it came from. Use flow.doubled()."
        )
        raise TypeError(msg)
    if back is None:
        msg = (
            f"inverse: expected a method that steps back in closed form; got {integrator!r}. Use "
            "StormerVerlet(), SymplecticEuler(), Composition(4) or Splitting() with a field on "
            "phase space, or LeapfrogMidpoint() and flow.doubled() with any field."
        )
        raise TypeError(msg)
    return back
