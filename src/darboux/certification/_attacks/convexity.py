"""The attacks on functions with one number for each sample: convex, weakly convex, smooth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from darboux.certification._attacks.jacobian_power import along, jacobian_power
from darboux.certification._attacks.lipschitz import attack_constant
from darboux.certification._attacks.pairs import pair_ascent, random_pairs
from darboux.certification._attacks.sampling import random_points, worst
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack
from darboux.certification._jacobian import Jacobian, largest_singular
from darboux.certification._problem import Map, Problem, in_other_precision, norms, spread, unit
from darboux.certification._target import Target
from darboux.structure import Convex, Smooth, WeaklyConvex

_RAYS = 8  # directions of large curvature

_ALONG = 48  # distances on each of them

_GLANCE = 12  # iterations that find them


@attack.register
def _(structure: Smooth, target: Target) -> Finding:
    """Attack L as the Lipschitz constant of the gradient, and near the origin before all."""
    _check(target)
    twin = None if target.twin is None else slopes_of(target.twin)
    other, call = in_other_precision(target, twin), slopes_of(target.module)
    found = attack_constant(call, target, claimed=structure.bound, twin=other)
    problem = Problem(call, target, twin=other)
    points, directions, _ = _steepest(problem)
    pairs = along(problem, points, directions)
    tolerance = target.tolerance(problem.size)
    name = "near the origin"
    trial = pairs.trial(problem, name, len(pairs), relative=tolerance, claimed=structure.bound)
    return replace(found, trials=(*found.trials, trial))


@attack.register
def _(structure: WeaklyConvex, target: Target) -> Finding:
    """Look for pairs between which the function bends down by more than ρ."""
    return _attack_from_below(structure.rho, target)


@attack.register
def _(structure: Convex, target: Target) -> Finding:
    """Look for pairs between which the function bends down."""
    del structure
    return _attack_from_below(0.0, target)


def _attack_from_below(rho: float, target: Target) -> Finding:
    # The least curvature is sought as the largest one of c ‖x‖² / 2 - g, c that of g; what counts
    # in the end are values at the ends and in the middle of segments.
    _check(target)
    slopes = slopes_of(target.module)
    values = Problem(target.module, target)
    if values.mixes:
        msg = "samples of the batch influence one another: there is no function of one"
        raise NotAttackedError(msg)
    _, directions, c = _steepest(Problem(slopes, target))
    mirrored = Problem(lambda x: c * x - slopes(x), target)
    pairs = random_pairs(mirrored)
    (ascended,) = pair_ascent(mirrored, pairs)
    powered, _ = jacobian_power(mirrored, ascended)
    trials = [
        _bend("middles of random pairs", values, slopes, pairs.x, pairs.y),
        _bend("middles of ascended pairs", values, slopes, ascended.x, ascended.y),
        _bend("least curvature by power iteration", values, slopes, powered.x, powered.y),
        _bend("along directions of large curvature", values, slopes, *_rays(values, directions)),
    ]
    return Finding(rho, tuple(trials), values.note())


def slopes_of(module: nn.Module) -> Map:
    """Return x -> ∇g(x) as autograd has it."""

    def slopes(x: Tensor) -> Tensor:
        follow = torch.is_grad_enabled() and x.requires_grad
        with torch.enable_grad():
            start = x if follow else x.detach().requires_grad_()
            value = module(start)
            if not value.requires_grad:
                return torch.zeros_like(x)
            (slope,) = torch.autograd.grad(
                value.sum(), start, create_graph=follow, allow_unused=True, materialize_grads=True
            )
        return slope if follow else slope.detach()

    return slopes


def _check(target: Target) -> None:
    """Refuse what has not one number for each sample."""
    with torch.no_grad():
        shape = tuple(target.module(target.inputs).shape)
    if shape != (len(target.inputs),):
        msg = f"a function with one number for each sample, (batch,), is needed; got {shape}"
        raise NotAttackedError(msg)


def _steepest(problem: Problem) -> tuple[Tensor, Tensor, float]:
    """Return points, directions of the largest curvature there, and the largest of all."""
    points = random_points(problem, max(_RAYS, len(problem.points)))[-_RAYS:]
    points = torch.cat([points[: _RAYS // 2], 1e-3 * points[_RAYS // 2 :]])
    start = unit(problem.target.randn(*points.shape))
    steps = problem.afford(_GLANCE, fraction=0.1, calls=3.0 * len(points), least=4)
    found, vectors = largest_singular(Jacobian(problem.call, points), start, iterations=steps)
    return points, vectors, float(found.nan_to_num(0.0, 0.0, 0.0).max().clamp(min=1e-6))


def _rays(problem: Problem, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return neighbouring points on lines through the origin, or the inputs if near."""
    target = problem.target
    count = problem.afford(_ALONG, fraction=0.1, calls=3.0 * len(directions), least=8)
    steps = torch.logspace(-3, 1, count, dtype=torch.float64).to(directions)
    reach = steps * target.scale * problem.size**0.5
    base = problem.points[:1] if target.near else torch.zeros_like(directions[:1])
    lines = directions.repeat_interleave(count, dim=0)
    near, far = (spread(f * reach.repeat(len(directions)), lines) * lines for f in (0.8, 1.2))
    return base + near, base + far


def _bend(
    name: str, problem: Problem, slopes: Callable[[Tensor], Tensor], x: Tensor, y: Tensor
) -> Trial:
    """Return the largest -4 (g(x) + g(y) - 2 g(m)) / ‖x - y‖², m the middle."""
    middle = x + (y - x) / 2
    ends = problem(x), problem(y), problem(middle)
    slope = torch.cat([slopes(part) for part in middle.split(problem.chunk)])
    square = norms(y - x).square()
    usable = square > 0
    sizes = ends[0].abs() + ends[1].abs() + 2 * ends[2].abs()
    sizes = sizes + norms(slope) * (norms(x) + norms(y))
    divisor = torch.where(usable, square, 1.0) / 4
    slack = 2 * problem.target.rounding(problem.size) * sizes / divisor
    measured = (2 * ends[2] - ends[0] - ends[1]) / divisor
    measured = torch.where(usable, measured, torch.nan)
    return worst(name, measured, slack, middle)
