"""The theorems that turn what a field and a method promise into claims of a step.

Each is a function from a `darboux.flow.Step` to the claims that it proves, none where a
condition fails. The conditions themselves become premises, which `certify` attacks.
"""

from dataclasses import replace

from darboux.flow._step import Step
from darboux.flow._theorems.contraction import contraction, growth, linear_growth
from darboux.flow._theorems.energy import energy
from darboux.flow._theorems.geometry import (
    equivariance,
    inverse,
    reversibility,
    symplecticity,
    volume,
)
from darboux.integrators import PostActivation
from darboux.structure import Claim, Claims, Gap, autonomous_field, claims_of, composition


@claims_of.register
def _(step: Step) -> Claims:
    contractive = contraction(step)
    metric = contractive or growth(step)
    inner = Claims(tuple(metric), () if metric else _gaps(step))
    if isinstance(step.integrator, PostActivation):
        activation = claims_of(step.integrator.activation)
        whole = composition([("step", inner), ("activation", activation)])
        found = (*whole.claims, *linear_growth(step), *equivariance(step))
        return Claims(_lasting(step, found), whole.gaps)
    found = (
        *inner.claims,
        *energy(step, contractive),
        *(symplecticity(step) or volume(step)),  # symplectic maps preserve volume
        *inverse(step),
        *reversibility(step),
        *equivariance(step),
    )
    return Claims(_lasting(step, found), inner.gaps)


def _lasting(step: Step, found: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Return the claims, with what lets a field be attacked at one time instead of at all."""
    if not step.field.autonomous:
        return found
    lasting = autonomous_field(step.field)
    return tuple(replace(claim, premises=(*claim.premises, lasting)) for claim in found)


def _gaps(step: Step) -> tuple[Gap, ...]:
    name = type(step.field).__name__
    if step.field.lipschitz() is None:
        return (Gap("", f"{name} has no Lipschitz constant for all z"),)
    return (Gap("", f"no Lipschitz constant of {step.integrator!r} on {name} is known"),)
