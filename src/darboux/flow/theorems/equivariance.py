"""When a step commutes with a group (section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darboux.integrators import PostActivation
from darboux.structure import Claim, EquivariantField, Kind

if TYPE_CHECKING:
    from darboux.flow.step import Step


def equivariance(step: Step) -> list[Claim]:
    """Return that the step commutes with a group where its field does.

    Runge-Kutta methods, shears that treat both halves of phase space alike, and discrete
    gradients made of inner products commute with every orthogonal map π that f commutes with:
    their formulas hold for π z as they do for z. Methods that treat coordinates one by one
    (Itoh-Abe, splittings into parts) do not.

    Source: section 5, equation (50).

    Example:
        >>> import darboux as dx
        >>> scalars = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["trivial"] * 2)
        >>> conv = dx.symmetry.EquivariantConv(scalars, scalars, kernel=3, dim=2)
        >>> field = dx.fields.GradientField(conv, dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=1))
        >>> [type(claim.structure).__name__ for claim in equivariance(flow.chain()[0][1])]
        ['Equivariant']
    """
    integrator, found = step.integrator, step.field.equivariant()
    if found is None or found.source is None or not integrator.equivariant:
        return []
    if isinstance(integrator, PostActivation) and not integrator.activation.commutes(found.source):
        return []
    reason = f"f commutes with the group, and a step of {integrator!r} with all that f does (5)"
    return [Claim(found, Kind.CONSTRUCTION, reason, (EquivariantField(step.field, found),))]
