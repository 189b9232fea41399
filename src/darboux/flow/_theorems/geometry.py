"""Steps that keep volume, phase space or symmetry, or can be undone (sections 2.2.2, 2.2.3)."""

from __future__ import annotations

import torch

from darboux.flow._step import Step
from darboux.flow._theorems.contraction import inner
from darboux.integrators import PostActivation, lacks
from darboux.structure import (
    Claim,
    Invertible,
    Kind,
    Law,
    Premise,
    Reversible,
    Structure,
    Symplectic,
    VolumePreserving,
    canonical_field,
    divergence_free_parts,
    equivariant_field,
    equivariant_steps,
    partitioned_field,
    parts_have,
    reversible_field,
    separable_field,
    steps_have,
)


def symplecticity(step: Step) -> list[Claim]:
    """Return that a symplectic method steps a canonical field f = J∇H by a symplectic map."""
    if not (step.integrator.symplectic and step.field.canonical):
        return []
    premises = (canonical_field(step.field), *_composed(step, Symplectic()))
    reason = f"f = J∇H, stepped by {step.integrator!r}, which is symplectic for every H (2.2.2)"
    return [Claim(Symplectic(), Kind.CONSTRUCTION, reason, premises)]


def volume(step: Step) -> list[Claim]:
    """Return that a composition of shears, or of divergence-free parts, has determinant 1."""
    field = step.field
    if not step.integrator.by_parts:
        return []
    parts = (divergence_free_parts(field),) if _takes_parts(step) else ()
    if field.separable:
        reason = "a composition of shears: each has determinant 1 (2.2.3)"
    elif field.divergence_free and parts:
        reason = "a composition of flows of divergence-free parts (2.4.2)"
    else:
        return []
    premises = (*_pieces(step), _steps(step, VolumePreserving()), *parts)
    return [Claim(VolumePreserving(), Kind.CONSTRUCTION, reason, premises)]


def inverse(step: Step) -> list[Claim]:
    """Return that shears and flows of parts are undone one by one, in reverse order."""
    field, integrator = step.field, step.integrator
    if integrator.doubled or not integrator.by_parts or not integrator.invertible:
        return []
    if not (field.separable or (field.exact_parts and _takes_parts(step))):
        return []  # implicit equations may have more than one solution
    reason = "shears and flows of parts are undone one by one, in reverse order (2.2.3)"
    return [Claim(Invertible(), Kind.CONSTRUCTION, reason, _composed(step, Invertible()))]


def _composed(step: Step, structure: Structure) -> tuple[Premise, ...]:
    """Return that a method composes what has a structure: shears, or flows of parts."""
    parts = (parts_have(step.field, structure=structure),) if _takes_parts(step) else ()
    return (*_pieces(step), _steps(step, structure), *parts)


def _steps(step: Step, structure: Structure) -> Premise:
    """Return that the method keeps a structure on all fields, or on the separable ones."""
    separable = step.integrator.by_parts and step.field.separable
    kind = "separable" if separable else "all"
    return steps_have(step.integrator, fields=kind, structure=structure)


def _pieces(step: Step) -> tuple[Premise, ...]:
    """Return that drift and kick, which methods by parts move by, are those of the field."""
    field = step.field
    if not step.integrator.by_parts or lacks(field, "drift", "kick"):
        return ()
    return (separable_field(field) if field.separable else partitioned_field(field),)


def _takes_parts(step: Step) -> bool:
    """Return whether a method may take the field's own parts: one without a list of shears."""
    integrator = step.integrator
    return integrator.by_parts and integrator.shears is None and not lacks(step.field, "parts")


def reversibility(step: Step) -> list[Claim]:
    """Return ρφρφ = id for symmetric methods and fields with f(ρz) = -ρf(z)."""
    # A method commutes with the linear map ρ, so ρΦ_hρ is the step of -f, Φ_{-h}; a symmetric
    # method has Φ_{-h} = Φ_h⁻¹.
    # Hairer, Lubich and Wanner, Geometric Numerical Integration, V.1.
    field, integrator = step.field, step.integrator
    if not (integrator.symmetric and field.reversible and field.autonomous) or integrator.doubled:
        return []
    reason = f"{integrator!r} is symmetric and f(ρz) = -ρf(z) (2.2.2)"
    premises = (reversible_field(field), *_composed(step, Reversible()))
    return [Claim(Reversible(), Kind.CONSTRUCTION, reason, premises)]


def equivariance(step: Step) -> list[Claim]:
    """Return that the step commutes with a group where its field does."""
    # Runge-Kutta methods and discrete gradients made of inner products commute with every
    # orthogonal map π that f commutes with: their formulas hold for π z as they do for z.
    # Shears, which treat the halves of phase space in turn, do where π keeps both halves.
    # Methods that treat coordinates one by one (Itoh-Abe, splittings into parts) do not.
    integrator, found = step.integrator, step.field.equivariant()
    if found is None or found.source is None or not integrator.equivariant:
        return []
    if isinstance(integrator, PostActivation) and not integrator.activation.commutes(found.source):
        return []
    method = inner(integrator)
    if method.by_parts and not _keeps_halves(found.source):
        return []
    reason = f"f commutes with the group, and a step of {integrator!r} with all that f does (5)"
    premises = (
        equivariant_field(step.field, symmetry=found, group=found.group.describe()),
        equivariant_steps(method, maps="maps of both halves" if method.by_parts else "maps"),
        *_pieces(step),
    )
    return [Claim(found, Kind.CONSTRUCTION, reason, premises)]


def _keeps_halves(law: Law) -> bool:
    """Return whether a law turns position and momentum each in itself."""
    # diag(1, 0) commutes with every ρ(g) then
    first = torch.arange(law.channels) < law.channels // 2
    return law.channels % 2 == 0 and torch.equal(law.tie(first.double()), first.double())
