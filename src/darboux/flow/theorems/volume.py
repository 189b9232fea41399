"""When a step preserves volume (sections 2.2.3 and 2.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darboux.structure import Claim, DivergenceFreeField, Kind, SeparableField, VolumePreserving

if TYPE_CHECKING:
    from darboux.flow.step import Step


def volume(step: Step) -> list[Claim]:
    """Return that a composition of shears, or of divergence-free parts, has determinant 1.

    Source: sections 2.2.3 and 2.4.2.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=1)
        >>> volume(flow.chain()[0][1])
        []
    """
    field = step.field
    if not step.integrator.by_parts:
        return []
    if field.separable:
        reason = "a composition of shears: each has determinant 1 (2.2.3)"
        premises = (SeparableField(field),)
        return [Claim(VolumePreserving(), Kind.CONSTRUCTION, reason, premises)]
    if field.divergence_free:
        reason = "a composition of flows of divergence-free parts (2.4.2)"
        parts = (DivergenceFreeField(field),)
        return [Claim(VolumePreserving(), Kind.CONSTRUCTION, reason, parts)]
    return []
