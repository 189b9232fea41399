"""The attacks on maps of manifolds: defects of what they make of points, and distances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from darboux.certification._attacks.lipschitz import attack_constant
from darboux.certification._attacks.sampling import worst
from darboux.certification._finding import Finding, NotAttackedError, attack
from darboux.certification._problem import Problem, norms, spread, widened
from darboux.certification._target import Target
from darboux.manifolds import HomogeneousSpace, Manifold
from darboux.structure import EquivariantOn, LipschitzOn, OnManifold, PointSet

_LONGEST = 2.0  # how far from the inputs points lie where the injectivity radius is no limit

_BATCHES = 64  # each of them the size of the example

_SAFETY = 4.0  # the largest of a few draws may be that much too small


@attack.register
def _(structure: OnManifold, target: Target) -> Finding:
    """Look for points whose images are no points, near the inputs and anywhere else."""
    manifold, module = structure.manifold, target.module
    example = on_manifold(manifold, target)
    # What a map does with tensors that are no points is nobody's business, so it isn't asked
    # whether it mixes samples: whole batches are points.
    problem = Problem(lambda x: module(x), target, mixes=True)
    count = problem.afford(min(problem.least, _BATCHES), fraction=0.3, least=4)
    points = around(manifold, example, count, target)
    values = problem(points)
    _require_fit(manifold, values, "values")
    measured = _defect(manifold, values)
    limit = target.depth * manifold.rounding(target.inputs.dtype)  # K maps round K times

    def more(k: Tensor) -> Tensor:
        away = norms(values[k] - manifold.nearest(values[k]))
        explained = away <= _SAFETY * problem.rounding(points[k])  # a point, up to rounding
        return torch.where(explained, measured[k], 0.0)

    slack = widened(torch.full_like(measured, limit), measured, more)
    return Finding(0.0, (worst("defect of φ(x) at points x", measured, slack, points),))


@attack.register
def _(structure: EquivariantOn, target: Target) -> Finding:
    """Move all values of points by isometries, before and after the map."""
    module, manifold = target.module, structure.manifold
    if not isinstance(manifold, HomogeneousSpace):
        msg = f"nothing is known to move {manifold!r}"
        raise NotAttackedError(msg)
    example = on_manifold(manifold, target)
    problem = Problem(lambda x: module(x), target, mixes=True)
    count = problem.afford(min(problem.least, _BATCHES), fraction=0.3, calls=2.0, least=4)
    points = around(manifold, example, count, target)
    values = problem(points)
    _require_fit(manifold, values, "values")
    xi = _motions(manifold, points, target)
    there = manifold.move(xi, points)
    found, wanted = problem(there), manifold.move(xi, values)
    error, size = norms(found - wanted), norms(wanted)
    rounding = 16 * target.rounding(problem.size)

    def more(k: Tensor) -> Tensor:
        gain = size[k] / norms(values[k]).clamp(min=torch.finfo(size.dtype).tiny)
        return _SAFETY * (problem.rounding(there[k]) + gain * problem.rounding(points[k]))

    slack = widened(rounding * size, error, more)
    return Finding(0.0, (worst("φ(exp(ξ)·x) - exp(ξ)·φ(x)", error / size, slack / size, points),))


@attack.register
def _(structure: LipschitzOn, target: Target) -> Finding:
    """Attack the constant in flat coordinates, or by distances of pairs of points."""
    module, manifold = target.module, structure.manifold
    if not isinstance(manifold, Manifold):
        msg = f"{manifold!r} has no distance"
        raise NotAttackedError(msg)
    example = on_manifold(manifold, target)
    flat: Any = manifold
    if not (manifold.flat and hasattr(flat, "coordinates")):
        return _attack_distances(structure, manifold, example, target)

    def call(c: Tensor) -> Tensor:
        found: Tensor = flat.coordinates(module(flat.from_coordinates(c)))
        return found

    there = replace(target, inputs=flat.coordinates(example), twin=None)
    return attack_constant(call, there, claimed=structure.constant)


def _attack_distances(
    structure: LipschitzOn, manifold: Manifold, example: Tensor, target: Target
) -> Finding:
    problem = Problem(lambda x: target.module(x), target, mixes=True)
    count = problem.afford(min(problem.least, _BATCHES), fraction=0.15, calls=2.0, least=4)
    x = around(manifold, example, count, target)
    y = moved(manifold, x, target)
    before, after = (
        manifold.dist(a, b).flatten(1).norm(dim=1) for a, b in ((x, y), (problem(x), problem(y)))
    )
    slack = 64 * target.rounding(problem.size) * (1 + before + after) / before
    trial = worst("d(φ(x), φ(y)) / d(x, y) on pairs", after / before, slack, x)
    return Finding(structure.constant, (trial,))


def on_manifold(manifold: PointSet, target: Target) -> Tensor:
    """Return the inputs as points in the precision of the attack, if they are points."""
    _require_fit(manifold, target.inputs, "an example")
    fits, why = manifold.check(target.inputs.to(target.stored))
    if not fits:
        msg = f"the claim is about points, and the example is none: {why}"
        raise NotAttackedError(msg)
    return manifold.nearest(target.inputs)


def around(manifold: PointSet, example: Tensor, count: int, target: Target) -> Tensor:
    """Return batches of points, (count, *example.shape): the example first, others around it."""
    start = example.expand(count, *example.shape)
    if isinstance(manifold, Manifold):
        points = moved(manifold, start, target)
        if not target.near:
            odd = torch.arange(count, device=points.device) % 2 == 1
            points = torch.where(spread(odd, points), _anywhere(manifold, points, target), points)
    else:
        noise = target.randn(*start.shape)
        far = target.log_uniform(count, -3.0, 0.0)
        points = manifold.nearest(start + spread(far, noise) * target.scale * noise)
    return torch.cat([example[None], points[1:]])


def moved(manifold: Manifold, points: Tensor, target: Target) -> Tensor:
    """Return points at distances from 1e-3 to about 1 of others, batch by batch."""
    noise = target.randn(*points.shape)
    way = manifold.project(points, noise)
    length = manifold.norm(points, way).clamp(min=torch.finfo(noise.dtype).tiny)
    reach = min(manifold.injectivity or _LONGEST, _LONGEST)
    scale = spread(target.log_uniform(len(points), -3.0, 0.0), length) * reach / length
    return manifold.retract(points, scale.reshape(*scale.shape, *(1,) * len(manifold.shape)) * way)


def _motions(manifold: HomogeneousSpace, points: Tensor, target: Target) -> Tensor:
    """Return one element of the algebra that keeps distances for each batch of points."""
    xi = manifold.project_algebra(target.randn(len(points), *manifold.algebra))
    xi = manifold.killing(xi)
    xi = xi * spread(target.log_uniform(len(xi), -2.0, 0.0), xi)
    lead = points.ndim - 1 - len(manifold.shape)
    return xi.reshape(len(xi), *(1,) * lead, *manifold.algebra)


def _anywhere(manifold: Manifold, like: Tensor, target: Target) -> Tensor:
    """Return random points of the manifold, in the form of others."""
    dice = target.generator
    lead = like.shape[: like.ndim - len(manifold.shape)]
    found = manifold.random_point(*lead, generator=dice, dtype=like.dtype, device=dice.device)
    return found.to(like.device)


def _require_fit(manifold: PointSet, x: Tensor, what: str) -> None:
    size = tuple(manifold.shape)
    if tuple(x.shape[x.ndim - len(size) :]) != size:
        expected = ", ".join(map(str, ("batch", "...", *size)))
        msg = f"expected {what} of shape ({expected}) for {manifold!r}; got {tuple(x.shape)}"
        raise NotAttackedError(msg)


def _defect(manifold: PointSet, values: Tensor) -> Tensor:
    """Return the largest defect in each batch, (P,)."""
    return manifold.defect(values).reshape(len(values), -1).amax(dim=1)
