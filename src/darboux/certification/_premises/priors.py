"""The attack on gradients that functions say they have."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certification._attacks.convexity import slopes_of
from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import Finding, Trial, attacks, method_of
from darboux.certification._problem import Problem, norms, widened
from darboux.certification._target import Target
from darboux.structure import Premise, gradient_of_values


@attacks(gradient_of_values)
def _(premise: Premise, target: Target) -> Finding:
    """Compare ``grad(x)`` with autograd of the values, and the values with and without it."""
    function = premise.subject
    grad, problem = method_of(function, "grad(x)"), Problem(function, target)
    points = sample_points(problem, cost=4.0)
    seen, wanted, values, followed = [], [], [], []
    for part in points.split(problem.chunk):
        with torch.no_grad():
            seen.append(grad(part))
            values.append(function(part))
        wanted.append(slopes_of(function)(part))
        followed.append(function(part.clone().requires_grad_()).detach())
    found, exact, plain, other = map(torch.cat, (seen, wanted, values, followed))
    slopes = Problem(slopes_of(function), target)
    trials = (
        _difference("grad against autograd", found, exact, slopes, points),
        _difference("values while differentiated", plain, other, problem, points),
    )
    return Finding(0.0, trials, problem.note())


def _difference(
    name: str, found: Tensor, wanted: Tensor, problem: Problem, points: Tensor
) -> Trial:
    """Return the largest difference, relative to the size of what was wanted."""
    size = norms(wanted).clamp(min=torch.finfo(points.dtype).tiny)
    error = norms(found - wanted) / size
    slack = torch.full_like(error, 8 * problem.target.rounding(problem.size))
    slack = widened(slack, error, lambda k: 8 * problem.rounding(points[k]) / size[k])
    return worst(name, error, slack, points)
