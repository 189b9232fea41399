"""When a step is reversible under the momentum flip (section 2.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darboux.structure import AutonomousField, Claim, Kind, Reversible, ReversibleField

if TYPE_CHECKING:
    from darboux.flow.step import Step


def reversibility(step: Step) -> list[Claim]:
    """Return ρφρφ = id for symmetric methods and fields with f(ρz) = -ρf(z).

    A method commutes with the linear map ρ, so ρΦ_hρ is the step of -f, Φ_{-h}; a symmetric
    method has Φ_{-h} = Φ_h⁻¹.

    Source: section 2.2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, V.1.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=1)
        >>> reversibility(flow.chain()[0][1])
        []
    """
    field, integrator = step.field, step.integrator
    if not (integrator.symmetric and field.reversible and field.autonomous) or integrator.doubled:
        return []
    reason = f"{integrator!r} is symmetric and f(ρz) = -ρf(z) (2.2.2)"
    premises = (ReversibleField(field), AutonomousField(field))
    return [Claim(Reversible(), Kind.CONSTRUCTION, reason, premises)]
