"""The arguments of a flow, checked and completed."""

from __future__ import annotations

from darboux.flow._learned_steps import LearnedSteps
from darboux.flow._steps import ContractiveSteps, CoveringSteps, StepRule, UniformSteps


def step_rule(
    fields: int, steps: int | StepRule | None, horizon: float | None, *, is_shared: bool
) -> StepRule:
    """Return the step rule that the arguments of a flow stand for, or refuse them."""
    if fields == 0:
        msg = "Flow: expected at least one field; got an empty list."
        raise ValueError(msg)
    if isinstance(steps, ContractiveSteps):
        return _contractive_rule(fields, steps, horizon, is_shared=is_shared)
    if isinstance(steps, StepRule):
        _check_rule(fields, steps, horizon, is_shared=is_shared)
        return steps
    if steps is None and is_shared:
        msg = (
            "Flow: expected steps=K with a single field; got none. Give an int or ContractiveSteps."
        )
        raise ValueError(msg)
    rule = UniformSteps(1.0 if horizon is None else horizon, fields if steps is None else steps)
    _check_rule(fields, rule, None, is_shared=is_shared)
    return rule


def _check_rule(fields: int, rule: StepRule, horizon: float | None, *, is_shared: bool) -> None:
    """Refuse a horizon beside that of a rule, and a number of fields that is not its own."""
    if horizon is not None:
        msg = f"Flow: expected no horizon with {rule!r}, which picks the steps; got {horizon}."
        raise ValueError(msg)
    if is_shared:
        return
    if isinstance(rule, UniformSteps | LearnedSteps) and rule.count != fields:
        msg = f"Flow: expected one field per step; got {fields} fields and steps={rule.count}."
        raise ValueError(msg)
    if isinstance(rule, CoveringSteps):
        msg = (
            "Flow: expected a single field with CoveringSteps, which finds out how many steps it "
            f"needs; got a list of {fields}. Use ContractiveSteps()."
        )
        raise TypeError(msg)


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
    return CoveringSteps(horizon, steps)
