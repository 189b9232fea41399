"""The attack on the form f = S ∇H."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from darboux.certify.attacks.sampling import worst
from darboux.certify.finding import Finding, Trial
from darboux.certify.premises.energies import energy_gradient
from darboux.certify.premises.phase import difference, places
from darboux.certify.problem import Problem, norms
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.integrators import GradientForm
from darboux.structure import PassiveForm


@attack_premise.register
def _(premise: PassiveForm, target: Target) -> Finding:
    """Compare f with S∇H and ∇H with the energy; try the sign of ⟨g, S g⟩ on random g."""
    field: Any = premise.subject
    problem, points = places(field, target)
    time = float(getattr(target.module, "time", 0.0))
    slope = energy_gradient(field, target, points)
    with torch.no_grad():
        gradient = field.gradient(time, points)
        steered = field.steer(time, points, slope)
    trials = [
        difference("gradient against ∇energy", gradient, slope, problem, points),
        difference("field against S∇energy", problem(points), steered, problem, points),
        *(_power(premise, time, g, problem, points) for g in (target.randn(*points.shape), slope)),
    ]
    return Finding(0.0, tuple(trials))


def _power(premise: PassiveForm, time: float, g: Tensor, problem: Problem, points: Tensor) -> Trial:
    """Return ⟨g, S g⟩ / (‖g‖ ‖S g‖), or its absolute value where H is to be kept."""
    with torch.no_grad():
        steered = cast("GradientForm", premise.subject).steer(time, points, g)
    size = (norms(g) * norms(steered)).clamp(min=torch.finfo(g.dtype).tiny)
    power = (g * steered).flatten(1).sum(dim=1) / size
    measured = power.abs() if premise.conservative else power
    slack = 16 * problem.target.rounding(problem.size)
    return worst("⟨g, S g⟩ relative to its size", measured, slack, points)
