"""Steps that keep volume, phase space or symmetry, or can be undone (sections 2.2.2, 2.2.3)."""

from __future__ import annotations

from darboux.flow._step import Step
from darboux.integrators import PostActivation
from darboux.structure import (
    Claim,
    Invertible,
    Kind,
    Premise,
    Reversible,
    Symplectic,
    VolumePreserving,
    autonomous_field,
    canonical_field,
    divergence_free_parts,
    equivariant_field,
    reversible_field,
    separable_field,
)


def symplecticity(step: Step) -> list[Claim]:
    """Return that a symplectic method steps a canonical field f = J∇H by a symplectic map."""
    if not (step.integrator.symplectic and step.field.canonical):
        return []
    premises: tuple[Premise, ...] = (canonical_field(step.field),)
    if step.integrator.by_parts and step.field.separable:
        premises = (*premises, separable_field(step.field))
    reason = f"f = J∇H, stepped by {step.integrator!r}, which is symplectic for every H (2.2.2)"
    return [Claim(Symplectic(), Kind.CONSTRUCTION, reason, premises)]


def volume(step: Step) -> list[Claim]:
    """Return that a composition of shears, or of divergence-free parts, has determinant 1."""
    field = step.field
    if not step.integrator.by_parts:
        return []
    if field.separable:
        reason = "a composition of shears: each has determinant 1 (2.2.3)"
        premises = (separable_field(field),)
        return [Claim(VolumePreserving(), Kind.CONSTRUCTION, reason, premises)]
    if field.divergence_free:
        reason = "a composition of flows of divergence-free parts (2.4.2)"
        parts = (divergence_free_parts(field),)
        return [Claim(VolumePreserving(), Kind.CONSTRUCTION, reason, parts)]
    return []


def inverse(step: Step) -> list[Claim]:
    """Return that shears and flows of parts are undone one by one, in reverse order."""
    field, integrator = step.field, step.integrator
    if integrator.doubled or not integrator.by_parts or not integrator.invertible:
        return []
    if not (field.separable or field.exact_parts):
        return []  # implicit equations may have more than one solution
    premises: tuple[Premise, ...] = ()  # whether flows of parts undo each other shows at once
    if field.separable:
        premises = (separable_field(field),)
    elif field.divergence_free:
        premises = (divergence_free_parts(field),)
    reason = "shears and flows of parts are undone one by one, in reverse order (2.2.3)"
    return [Claim(Invertible(), Kind.CONSTRUCTION, reason, premises)]


def reversibility(step: Step) -> list[Claim]:
    """Return ρφρφ = id for symmetric methods and fields with f(ρz) = -ρf(z)."""
    # A method commutes with the linear map ρ, so ρΦ_hρ is the step of -f, Φ_{-h}; a symmetric
    # method has Φ_{-h} = Φ_h⁻¹.
    # Hairer, Lubich and Wanner, Geometric Numerical Integration, V.1.
    field, integrator = step.field, step.integrator
    if not (integrator.symmetric and field.reversible and field.autonomous) or integrator.doubled:
        return []
    reason = f"{integrator!r} is symmetric and f(ρz) = -ρf(z) (2.2.2)"
    premises = (reversible_field(field), autonomous_field(field))
    return [Claim(Reversible(), Kind.CONSTRUCTION, reason, premises)]


def equivariance(step: Step) -> list[Claim]:
    """Return that the step commutes with a group where its field does."""
    # Runge-Kutta methods, shears that treat both halves of phase space alike, and discrete
    # gradients made of inner products commute with every orthogonal map π that f commutes with:
    # their formulas hold for π z as they do for z. Methods that treat coordinates one by one
    # (Itoh-Abe, splittings into parts) do not.
    integrator, found = step.integrator, step.field.equivariant()
    if found is None or found.source is None or not integrator.equivariant:
        return []
    if isinstance(integrator, PostActivation) and not integrator.activation.commutes(found.source):
        return []
    reason = f"f commutes with the group, and a step of {integrator!r} with all that f does (5)"
    return [
        Claim(
            found,
            Kind.CONSTRUCTION,
            reason,
            (equivariant_field(step.field, symmetry=found, group=found.group.describe()),),
        )
    ]
