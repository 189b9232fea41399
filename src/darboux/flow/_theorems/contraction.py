"""Steps that bring two solutions no further apart, or not much (section 2.2.1)."""

from __future__ import annotations

from torch import Tensor

from darboux.flow._step import Step
from darboux.flow._steps import as_float
from darboux.integrators import Integrator, PostActivation
from darboux.structure import (
    Averaged,
    BiLipschitz,
    Claim,
    Kind,
    LinearGrowth,
    Lipschitz,
    averaged_steps,
    cocoercive_field,
    contractive_steps,
    growth_field,
    lipschitz_field,
    one_sided_field,
    one_stage,
    separable_field,
    step_within,
    stretch_of_steps,
)


def contraction(step: Step) -> list[Claim]:
    """Return that the step is nonexpansive, or averaged, where a theorem says so."""
    # Explicit methods inside their radius, h <= -2 ν̄ r; B-stable ones with any h >= 0 where ν <= 0.
    return _inside_the_radius(step) or _b_stable(step)


def _inside_the_radius(step: Step) -> list[Claim]:
    limit, radius, fraction = step.limit(), step.integrator.radius, step.rule.fraction_of_limit()
    if limit is None or radius is None:
        return []
    kind = Kind.CONSTRUCTION
    if fraction is None:
        h = step.size()
        fraction = as_float(h) / as_float(limit)
        if not 0 <= fraction <= 1:
            return []
        # sizes that are trained, and constants that are, are inside at present
        kind = Kind.BOUND if isinstance(h, Tensor) else step.field.cocoercivity_kind()
    reason = f"h <= -2ν̄r with r = {radius:g} at fraction {fraction:.4g}: {step.field.why()}"
    reach = radius * _weight(inner(step.integrator))
    premises = (
        step_within(step, fraction=min(fraction, 1.0)),
        averaged_steps(inner(step.integrator), radius=radius, reach=reach),
        *step.field.premises(),
        cocoercive_field(step.field),
    )
    return [Claim(_averaged(fraction, reach), kind, reason, premises)]


def _b_stable(step: Step) -> list[Claim]:
    one_sided = step.field.one_sided_lipschitz()
    onward = forward_in_time(step)
    if not step.integrator.b_stable or one_sided is None or as_float(one_sided) > 0:
        return []
    if onward is None:
        return []
    # a constant that no parameter enters holds for all of them
    kind = onward if isinstance(one_sided, float) else Kind.BOUND
    reason = f"algebraically stable method and ν = {as_float(one_sided):.4g} <= 0: any h >= 0 (21)"
    premises = (
        contractive_steps(step.integrator),
        *step.field.premises(),
        one_sided_field(step.field),
    )
    return [Claim(Lipschitz(1.0), kind, reason, premises)]


def forward_in_time(step: Step) -> Kind | None:
    """Return how it is known that h >= 0, None where h is negative."""
    if not as_float(step.size()) >= 0:
        return None
    return Kind.CONSTRUCTION if step.rule.forward_in_time() else Kind.BOUND


def _averaged(fraction: float, reach: float) -> Averaged | Lipschitz:
    """Return α = ρθ/(ρθ + 1 - θ) for θ < 1, else nonexpansive."""
    if fraction >= 1 or reach == float("inf"):
        return Lipschitz(1.0)
    return Averaged(reach * fraction / (reach * fraction + 1 - fraction))


def _weight(integrator: Integrator) -> float:
    """Return Σ b_i, which is 1 where a method is consistent."""
    # ‖Δz'‖² <= ‖Δz‖² - (1-θ)/(rθ) Σ b_i ‖W_i‖², and ‖Δz' - Δz‖² = ‖Σ b_i W_i‖² is at most
    # Σ b_i times that sum: r Σ b_i takes the place of r.
    return 1.0 if integrator.tableau is None else float(sum(integrator.tableau.b))


def growth(step: Step) -> list[Claim]:
    """Return the Lipschitz constant of a step from h, L and the method's coefficients."""
    lipschitz = step.field.lipschitz()
    integrator = inner(step.integrator)
    if lipschitz is None:
        return []
    h = step.size()
    factor = integrator.lipschitz_factor(h, lipschitz)
    if factor is None:
        return []
    premises = (
        *step.field.premises(),
        lipschitz_field(step.field),
        stretch_of_steps(integrator),
    )
    if integrator.by_parts:  # the factor is that of shears
        if not step.field.separable:
            return []
        premises = (*premises, separable_field(step.field))
    constant = as_float(factor)
    reason = f"the method's polynomial in hL = {as_float(h) * as_float(lipschitz):.4g} (13)"
    if integrator.by_parts and integrator.invertible and constant > 0:
        # the shears of the way back have the same factor
        both = BiLipschitz(1 / constant, constant)
        return [Claim(both, Kind.BOUND, reason, premises)]
    return [Claim(Lipschitz(constant), Kind.BOUND, reason, premises)]


def linear_growth(step: Step) -> list[Claim]:
    """Return Zhang and Schaeffer's bound of post-activation Euler steps."""
    # A2 >= 0, σ >= 0 and z >= 0 give 0 <= z' <= z + h b2⁺ entry by entry.
    known, integrator = step.field.growth(), step.integrator
    if known is None or not isinstance(integrator, PostActivation) or not integrator.is_euler:
        return []
    if forward_in_time(step) is None:
        return []
    norm, kind = known
    reason = "A2 >= 0, σ >= 0: 0 <= z' <= z + h b2⁺ entry by entry (Zhang and Schaeffer)"
    increment = as_float(step.size()) * float(norm)
    premises = (
        *step.field.premises(),
        growth_field(step.field),
        one_stage(integrator.inner, a=0.0),
    )
    return [Claim(LinearGrowth(increment), kind, reason, premises)]


def inner(integrator: Integrator) -> Integrator:
    """Return the method inside a post-activation method."""
    return integrator.inner if isinstance(integrator, PostActivation) else integrator
