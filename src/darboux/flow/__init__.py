"""Flows: vector fields, an integrator and a time grid make a network (section 1.2).

`Flow` runs the loop; `Step` is one of its steps as a map with claims of its own;
`DoubledFlow` is the flow of a two-step method as a map of pairs of states;
`odeint` solves f(t, y) between given times, `odeint_event` up to an event, `odeint_adjoint` with
exact gradients from the states between steps;
`UniformSteps`, `ContractiveSteps`, `CoveringSteps` and `LearnedSteps` pick the step sizes.
"""

from darboux.flow._bijections import FlowBijection, StepBijection
from darboux.flow._flow import DoubledFlow, Flow
from darboux.flow._learned_steps import LearnedSteps
from darboux.flow._odeint import odeint
from darboux.flow._odeint_adjoint import odeint_adjoint
from darboux.flow._odeint_event import odeint_event
from darboux.flow._step import Step, advance, field_energy
from darboux.flow._steps import (
    ContractiveSteps,
    CoveringSteps,
    StepRule,
    UniformSteps,
    as_float,
    required_limit,
    step_limit,
)

__all__ = [
    "ContractiveSteps",
    "CoveringSteps",
    "DoubledFlow",
    "Flow",
    "FlowBijection",
    "LearnedSteps",
    "Step",
    "StepBijection",
    "StepRule",
    "UniformSteps",
    "advance",
    "as_float",
    "field_energy",
    "odeint",
    "odeint_adjoint",
    "odeint_event",
    "required_limit",
    "step_limit",
]
