"""Flows: vector fields, an integrator and a time grid make a network (section 1.2).

`Flow` runs the loop; `Step` is one of its steps as a map with claims of its own;
`DoubledFlow` is the flow of a two-step method as a map of pairs of states;
`odeint` solves f(t, y) between given times;
`UniformSteps`, `ContractiveSteps` and `CoveringSteps` pick the step sizes.
"""

from darboux.flow._bijections import FlowBijection, StepBijection
from darboux.flow._flow import DoubledFlow, Flow
from darboux.flow._odeint import odeint
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
    "Step",
    "StepBijection",
    "StepRule",
    "UniformSteps",
    "advance",
    "as_float",
    "field_energy",
    "odeint",
    "required_limit",
    "step_limit",
]
