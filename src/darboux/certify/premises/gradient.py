"""The attack on potentials."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.certify.attacks.sampling import sample_points, worst
from darboux.certify.finding import Finding, NotAttackedError
from darboux.certify.premises.fields import in_both_precisions
from darboux.certify.problem import Problem, norms
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.certify.window import windowed
from darboux.structure import GradientOfEnergy


@attack_premise.register
def _(premise: GradientOfEnergy, target: Target) -> Finding:
    """Compare the field with minus the derivative of its energy."""
    field = premise.subject
    energy: Callable[[float, Tensor], Tensor] | None = getattr(field, "energy", None)
    if energy is None:
        msg = f"{type(field).__name__} has no method energy(t, z)"
        raise NotAttackedError(msg)
    flow, twin = in_both_precisions(field, target)
    problem = Problem(flow, windowed(flow, target), twin=twin)
    points = sample_points(problem, cost=6.0)[:16]
    time = float(getattr(target.module, "time", 0.0))
    z = points.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(energy(time, z).sum(), z)
    value = problem(points)
    size = (norms(value) + norms(slope)).clamp(min=torch.finfo(z.dtype).tiny)
    # Both are sums over all features and the kernel; antiderivatives may use a series.
    slack = 16 * (target.rounding(problem.size) + problem.observed_rounding(points) / size)
    trial = worst("field against -∇energy", norms(value + slope) / size, slack, points)
    return Finding(0.0, (trial,))
