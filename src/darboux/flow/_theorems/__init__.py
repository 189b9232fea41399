"""The theorems that turn what a field and a method promise into claims of a step.

Each is a function from a `darboux.flow.Step` to the claims that it proves, none where a
condition fails. The conditions themselves become premises, which `certify` attacks.
"""

from dataclasses import replace

from darboux.flow._step import Step
from darboux.flow._theorems.contraction import contraction, growth, inner, linear_growth
from darboux.flow._theorems.energy import energy
from darboux.flow._theorems.geometry import (
    equivariance,
    inverse,
    reversibility,
    symplecticity,
    volume,
)
from darboux.flow._theorems.manifolds import on_manifold
from darboux.integrators import PostActivation
from darboux.structure import (
    Claim,
    Claims,
    Gap,
    autonomous_field,
    claims_of,
    composition,
    independent_samples,
)


@claims_of.register
def _(step: Step) -> Claims:
    contractive = contraction(step)
    metric = contractive or growth(step)
    known = Claims(tuple(metric), () if metric else _gaps(step))
    if isinstance(step.integrator, PostActivation):
        activation = claims_of(step.integrator.activation)
        whole = composition([("step", known), ("activation", activation)])
        found = (*whole.claims, *linear_growth(step), *equivariance(step))
        return Claims(_conditional(step, found), whole.gaps)
    found = (
        *known.claims,
        *energy(step, contractive),
        *(symplecticity(step) or volume(step)),  # symplectic maps preserve volume
        *inverse(step),
        *reversibility(step),
        *equivariance(step),
        *on_manifold(step),
    )
    return Claims(_conditional(step, found), known.gaps)


def _conditional(step: Step, found: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Return the claims with what all of them rest on, whatever they say."""
    field, method = step.field, inner(step.integrator)
    # what lets a field be attacked at one time instead of at all
    lasting = (autonomous_field(field),) if field.autonomous else ()
    explicit = method.shears is not None and field.separable
    alone = (independent_samples(field),) if method.by_sample and not explicit else ()
    return tuple(replace(claim, premises=(*claim.premises, *lasting, *alone)) for claim in found)


def _gaps(step: Step) -> tuple[Gap, ...]:
    name = type(step.field).__name__
    if step.field.lipschitz() is None:
        return (Gap("", f"{name} has no Lipschitz constant for all z"),)
    return (Gap("", f"no Lipschitz constant of {step.integrator!r} on {name} is known"),)
