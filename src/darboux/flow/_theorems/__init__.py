"""The theorems that turn what a field and a method promise into claims of a step.

Each is a function from a `darboux.flow.Step` to the claims that it proves, none where a
condition fails. The conditions themselves become premises, which `certify` attacks.
"""

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
from darboux.structure import Claims, Gap, claims_of, composition


@claims_of.register
def _(step: Step) -> Claims:
    contractive = contraction(step)
    metric = contractive or growth(step)
    inner = Claims(tuple(metric), () if metric else _gaps(step))
    if isinstance(step.integrator, PostActivation):
        activation = claims_of(step.integrator.activation)
        whole = composition([("step", inner), ("activation", activation)])
        return Claims((*whole.claims, *linear_growth(step), *equivariance(step)), whole.gaps)
    found = (
        *inner.claims,
        *energy(step, contractive),
        *(symplecticity(step) or volume(step)),  # symplectic maps preserve volume
        *inverse(step),
        *reversibility(step),
        *equivariance(step),
    )
    return Claims(found, inner.gaps)


def _gaps(step: Step) -> tuple[Gap, ...]:
    name = type(step.field).__name__
    if step.field.lipschitz() is None:
        return (Gap("", f"{name} has no Lipschitz constant for all z"),)
    return (Gap("", f"no Lipschitz constant of {step.integrator!r} on {name} is known"),)
