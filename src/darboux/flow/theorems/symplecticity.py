"""When a step is a symplectic map (section 2.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darboux.structure import CanonicalField, Claim, Kind, Premise, SeparableField, Symplectic

if TYPE_CHECKING:
    from darboux.flow.step import Step


def symplecticity(step: Step) -> list[Claim]:
    """Return that a symplectic method steps a canonical field f = J∇H by a symplectic map.

    Source: sections 2.1.2 and 2.2.2, equation (22).

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=1)
        >>> symplecticity(flow.chain()[0][1])
        []
    """
    if not (step.integrator.symplectic and step.field.canonical):
        return []
    premises: tuple[Premise, ...] = (CanonicalField(step.field),)
    if step.integrator.by_parts and step.field.separable:
        premises = (*premises, SeparableField(step.field))
    reason = f"f = J∇H, stepped by {step.integrator!r}, which is symplectic for every H (2.2.2)"
    return [Claim(Symplectic(), Kind.CONSTRUCTION, reason, premises)]
