"""When a step brings two solutions no further apart (section 2.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darboux.flow.steps import as_float
from darboux.structure import Averaged, Claim, Kind, Lipschitz, OneSidedField, StepWithin

if TYPE_CHECKING:
    from darboux.flow.step import Step


def contraction(step: Step) -> list[Claim]:
    """Return that the step is nonexpansive, or averaged, where a theorem says so.

    Explicit methods inside their radius, h <= -2 ν̄ r; B-stable ones with any h where ν <= 0.

    Source: section 2.2.1, equation (21).

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=1))
        >>> [round(claim.structure.alpha, 6) for claim in contraction(flow.chain()[0][1])]
        [0.9]
    """
    return _inside_the_radius(step) or _b_stable(step)


def _inside_the_radius(step: Step) -> list[Claim]:
    limit, radius = step.limit(), step.integrator.radius
    if limit is None or radius is None:
        return []
    h, bound = as_float(step.size()), as_float(limit)
    always = step.rule.fraction_of_limit()
    if always is None and not 0 <= h <= bound:
        return []
    by_rule = always is not None or step.field.cocoercivity_kind() is Kind.CONSTRUCTION
    kind = Kind.CONSTRUCTION if by_rule else Kind.BOUND
    fraction = always if always is not None else h / bound
    reason = f"h <= -2ν̄r with r = {radius:g} at fraction {fraction:.4g}: {step.field.why()}"
    premises = (StepWithin(step), *step.field.premises())
    return [Claim(_averaged(fraction, radius), kind, reason, premises)]


def _b_stable(step: Step) -> list[Claim]:
    one_sided = step.field.one_sided_lipschitz()
    if not step.integrator.b_stable or one_sided is None or as_float(one_sided) > 0:
        return []
    # a constant that no parameter enters holds for all of them
    kind = Kind.CONSTRUCTION if isinstance(one_sided, float) else Kind.BOUND
    reason = f"algebraically stable method and ν = {as_float(one_sided):.4g} <= 0: any h (21)"
    premises = (*step.field.premises(), OneSidedField(step.field))
    return [Claim(Lipschitz(1.0), kind, reason, premises)]


def _averaged(fraction: float, radius: float) -> Averaged | Lipschitz:
    """Return α = rθ/(rθ + 1 - θ) for θ < 1, else nonexpansive."""
    if fraction >= 1 or radius == float("inf"):
        return Lipschitz(1.0)
    return Averaged(radius * fraction / (radius * fraction + 1 - fraction))
