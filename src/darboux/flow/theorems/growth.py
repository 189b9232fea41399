"""How much a step can expand (section 2.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from darboux.flow.steps import StepSize, as_float
from darboux.integrators import Integrator, PostActivation, lacks
from darboux.structure import BiLipschitz, Claim, Kind, LinearGrowth, Lipschitz, SeparableField

if TYPE_CHECKING:
    from darboux.flow.step import Step

Factor = Callable[[StepSize, StepSize], Tensor]


def growth(step: Step) -> list[Claim]:
    """Return the Lipschitz constant of a step from h, L and the method's coefficients.

    Source: section 2.1, equation (13).

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), horizon=3.0, steps=1)
        >>> [round(c.structure.constant, 6) for c in growth(flow.chain()[0][1])]
        [4.0]
    """
    lipschitz = step.field.lipschitz()
    integrator = inner(step.integrator)
    factor: Factor | None = getattr(integrator, "lipschitz_factor", None)
    if lipschitz is None or factor is None:
        return []
    premises = step.field.premises()
    if integrator.by_parts:  # the factor is that of shears
        if not step.field.separable:
            return []
        premises = (*premises, SeparableField(step.field))
    h = step.size()
    constant = as_float(factor(h, lipschitz))
    reason = f"the method's polynomial in hL = {as_float(h) * as_float(lipschitz):.4g} (13)"
    if integrator.by_parts and not lacks(integrator, "step_back") and constant > 0:
        # the shears of the way back have the same factor
        both = BiLipschitz(1 / constant, constant)
        return [Claim(both, Kind.BOUND, reason, premises)]
    return [Claim(Lipschitz(constant), Kind.BOUND, reason, premises)]


def linear_growth(step: Step) -> list[Claim]:
    """Return Zhang and Schaeffer's bound of post-activation Euler steps.

    A2 >= 0, σ >= 0 and z >= 0 give 0 <= z' <= z + h b2⁺ entry by entry.

    Source: section 2.1.1, equation (15).

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.PostActivation(dx.integrators.Euler()), steps=1)
        >>> linear_growth(flow.chain()[0][1])
        []
    """
    bound = getattr(step.field, "growth", lambda: None)()
    integrator = step.integrator
    if bound is None or not isinstance(integrator, PostActivation) or not integrator.is_euler:
        return []
    norm, kind = bound
    reason = "A2 >= 0, σ >= 0: 0 <= z' <= z + h b2⁺ entry by entry (Zhang and Schaeffer)"
    increment = as_float(step.size()) * float(norm)
    return [Claim(LinearGrowth(increment), kind, reason, step.field.premises())]


def inner(integrator: Integrator) -> Integrator:
    """Return the method inside a post-activation method.

    Example:
        >>> import darboux as dx
        >>> inner(dx.integrators.PostActivation(dx.integrators.Euler()))
        RungeKutta('Euler', order=1, stages=1)
    """
    return integrator.inner if isinstance(integrator, PostActivation) else integrator
