"""When a step can be undone in exact arithmetic (sections 2.2.3 and 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darboux.integrators import lacks
from darboux.structure import Claim, DivergenceFreeField, Invertible, Kind, Premise, SeparableField

if TYPE_CHECKING:
    from darboux.flow.step import Step


def inverse(step: Step) -> list[Claim]:
    """Return that shears and flows of parts are undone one by one, in reverse order.

    Source: sections 2.2.3 and 4.1.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=1)
        >>> inverse(flow.chain()[0][1])
        []
    """
    field, integrator = step.field, step.integrator
    if integrator.doubled or not integrator.by_parts or lacks(integrator, "step_back"):
        return []
    if not (field.separable or field.exact_parts):
        return []  # implicit equations may have more than one solution
    premises: tuple[Premise, ...] = ()  # whether flows of parts undo each other shows at once
    if field.separable:
        premises = (SeparableField(field),)
    elif field.divergence_free:
        premises = (DivergenceFreeField(field),)
    reason = "shears and flows of parts are undone one by one, in reverse order (2.2.3)"
    return [Claim(Invertible(), Kind.CONSTRUCTION, reason, premises)]
