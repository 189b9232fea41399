"""The arguments of a flow, checked and completed."""

from __future__ import annotations

from collections.abc import Iterable

from darboux.fields import VectorField
from darboux.flow._steps import ContractiveSteps, CoveringSteps, StepRule, UniformSteps
from darboux.integrators import Integrator


def as_fields(fields: object) -> list[VectorField]:
    """Return the fields of a flow as a list."""
    members = list(fields) if isinstance(fields, Iterable) else [fields]
    if not members:
        msg = "Flow: expected at least one field; got an empty list."
        raise ValueError(msg)
    return [_as_field(member) for member in members]


def _as_field(member: object) -> VectorField:
    if not isinstance(member, VectorField):
        msg = (
            f"Flow: expected VectorField objects; got {type(member).__name__}. Subclass "
            "darboux.fields.VectorField to use a network of your own as a field."
        )
        raise TypeError(msg)
    return member


def as_integrator(integrator: object) -> Integrator:
    """Return the integrator."""
    if not isinstance(integrator, Integrator):
        msg = f"Flow: expected an integrator such as Euler(); got {integrator!r}."
        raise TypeError(msg)
    return integrator


def step_rule(fields: int, steps: object, horizon: float | None, *, is_shared: bool) -> StepRule:
    """Return the step rule that the arguments of a flow stand for, or refuse them."""
    if isinstance(steps, ContractiveSteps):
        return _contractive_rule(fields, steps, horizon, is_shared=is_shared)
    if isinstance(steps, StepRule):
        return steps
    if steps is None and is_shared:
        msg = (
            "Flow: expected steps=K with a single field; got none. Give an int or ContractiveSteps."
        )
        raise ValueError(msg)
    if steps is not None and not isinstance(steps, int):
        msg = f"Flow: expected steps to be an int or a step rule; got {steps!r}."
        raise TypeError(msg)
    count = fields if steps is None else steps
    if not is_shared and count != fields:
        msg = f"Flow: expected one field per step; got {fields} fields and steps={count}."
        raise ValueError(msg)
    return UniformSteps(1.0 if horizon is None else float(horizon), count)


def _contractive_rule(
    fields: int, steps: ContractiveSteps, horizon: float | None, *, is_shared: bool
) -> StepRule:
    if not is_shared and steps.count not in (None, fields):
        msg = f"Flow: expected count={fields}, one step per field; got count={steps.count}."
        raise ValueError(msg)
    if horizon is None:
        if is_shared and steps.count is None:
            msg = (
                "Flow: expected ContractiveSteps(count=K) with a single field, or a horizon that "
                "its steps cover; got neither."
            )
            raise ValueError(msg)
        return steps
    if not is_shared or steps.count is not None:
        msg = (
            "Flow: expected no horizon with a fixed number of ContractiveSteps: the horizon is the "
            f"sum of the steps; got horizon={horizon}. Leave it out, or give a single field "
            "without count."
        )
        raise ValueError(msg)
    if not 0 < horizon < float("inf"):
        msg = f"Flow: expected a horizon T with 0 < T < inf; got {horizon}."
        raise ValueError(msg)
    return CoveringSteps(float(horizon), steps)
