"""Steps that keep an energy, or do not raise it (sections 2.1.1 and 2.2.2)."""

from __future__ import annotations

from collections.abc import Sequence

from darboux.flow._step import Step
from darboux.flow._theorems.contraction import forward_in_time
from darboux.integrators import Integrator, lacks
from darboux.structure import (
    Claim,
    Dissipative,
    EnergyPreserving,
    Kind,
    cocoercive_field,
    gradient_of_energy,
    merge_premises,
    one_stage,
    passive_form,
    steps_have,
)


def energy(step: Step, contractive: Sequence[Claim]) -> list[Claim]:
    """Return what is known about the energy of the field along a step."""
    return _discrete_gradient(step) or _descent(step, contractive)


def _discrete_gradient(step: Step) -> list[Claim]:
    """H(z') - H(z) = h ⟨∇̄H, S ∇̄H⟩ for every discrete gradient ∇̄H and every h >= 0."""
    if not step.integrator.energy_exact or not step.field.autonomous:
        return []
    field = step.field
    if not field.passive or lacks(field, "energy", "gradient", "steer"):
        return []
    premises = (
        passive_form(field, sign="=" if field.conservative else "<="),
        steps_have(step.integrator, fields="all", structure=EnergyPreserving()),
    )
    if field.conservative:
        reason = "discrete gradient and S skew: H(z') - H(z) = h⟨∇̄H, S∇̄H⟩ = 0 (2.2.2)"
        return [Claim(EnergyPreserving(), Kind.CONSTRUCTION, reason, premises)]
    onward = forward_in_time(step)
    if onward is None:
        return []
    reason = "discrete gradient and S + S* <= 0: H(z') - H(z) = h⟨∇̄H, S∇̄H⟩ <= 0 (2.2.2)"
    return [Claim(Dissipative(), onward, reason, premises)]


def _descent(step: Step, contractive: Sequence[Claim]) -> list[Claim]:
    """Return that a gradient field's own potential does not rise."""
    # Descent lemma: V(z') <= V(z) - h (1 - h/limit) ‖f‖² for Euler with h <= limit.
    # Convexity: V(z) >= V(z') + ⟨∇V(z'), z - z'⟩ = V(z') + h ‖∇V(z')‖² for implicit Euler.
    a = _single_stage(step.integrator)
    onward = forward_in_time(step)
    explicit = a == 0 and len(contractive) > 0
    implicit = a == 1 and onward is not None and step.field.cocoercivity() is not None
    if not (explicit or implicit) or not step.field.autonomous or lacks(step.field, "energy"):
        return []
    words = "descent lemma for Euler inside the step limit", "convex potential, any h >= 0"
    reason = f"{words[0] if explicit else words[1]}: {step.field.why()}"
    # Both are about f = -∇V and one stage: whatever the field lists, that is attacked.
    premises = (gradient_of_energy(step.field), one_stage(step.integrator, a=a))
    descent = Claim(Dissipative(), Kind.CONSTRUCTION, reason, premises)
    if explicit:
        known = contractive[0]
    else:
        assert onward is not None
        convex = (*step.field.premises(), cocoercive_field(step.field))
        kind = min(onward, step.field.cocoercivity_kind())
        known = Claim(Dissipative(), kind, reason, convex)
    return [Claim(Dissipative(), known.kind, reason, merge_premises((known, descent)))]


def _single_stage(integrator: Integrator) -> float | None:
    """Return a_11 of a Runge-Kutta method with one stage and weight 1, else None."""
    tableau = integrator.tableau
    if tableau is None or tableau.stages != 1 or tableau.b[0] != 1:
        return None
    return float(tableau.a[0][0])
