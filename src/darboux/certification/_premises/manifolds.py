"""The attacks on fields on manifolds, and on methods that promise to stay there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from darboux.certification._attacks.on_manifold import around, moved, on_manifold
from darboux.certification._attacks.sampling import worst
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack, attacks
from darboux.certification._nodes import step_of
from darboux.certification._premises.fields import prepared, some_time
from darboux.certification._problem import norms
from darboux.certification._target import Effort, Target
from darboux.fields import VectorField
from darboux.flow import Step, UniformSteps
from darboux.integrators import Integrator, Time
from darboux.manifolds import Manifold
from darboux.structure import (
    OnManifold,
    PointSet,
    Premise,
    isometric_chart,
    points_kept,
    tangent_field,
)

_BATCHES = 16


@attacks(tangent_field)
def _(premise: Premise, target: Target) -> Finding:
    """Compare values at points with their projections, and points with those exp(ξ) moves to."""
    field, manifold = premise.subject, premise.values["manifold"]
    points = around(manifold, on_manifold(manifold, target), _BATCHES, target)
    time, flow = some_time(field, target), prepared(field)
    with torch.no_grad():
        values = torch.stack([flow(time, x) for x in points])
        trials = [
            _equal(
                "values and their projections",
                values,
                manifold.project(points, values),
                points,
                target,
            )
        ]
        if hasattr(field, "generator"):
            turns = torch.stack([field.generator(time, x) for x in points])
            there = manifold.infinitesimal(turns, points)
            trials.append(_equal("values and ξ(t, x)·x", values, there, points, target))
            trials.append(_turned(manifold, turns, points, target))
    return Finding(0.0, tuple(trials))


def _equal(name: str, found: Tensor, wanted: Tensor, points: Tensor, target: Target) -> Trial:
    slack = 64 * target.rounding(points[0, 0].numel())
    size = norms(found) + norms(wanted)
    error = norms(found - wanted) / size.clamp(min=torch.finfo(size.dtype).tiny)
    return worst(name, error, slack, points)


def _turned(manifold: Any, turns: Tensor, points: Tensor, target: Target) -> Trial:
    """Return the defect after exp(ξ), ξ scaled to a length of about 1."""
    turns = turns / turns.abs().max().clamp(min=torch.finfo(turns.dtype).tiny)
    defect = manifold.defect(manifold.move(turns, points)).reshape(len(points), -1).amax(dim=1)
    slack = 64 * manifold.rounding(points.dtype)
    return worst("the defect of exp(ξ)·x", defect, slack, points)


@attacks(isometric_chart)
def _(premise: Premise, target: Target) -> Finding:
    """Compare distances with those of coordinates, and bring points back from them."""
    manifold = premise.values["manifold"]
    x = around(manifold, on_manifold(manifold, target), _BATCHES, target)
    y = moved(manifold, x, target)
    a, b = manifold.coordinates(x), manifold.coordinates(y)
    flat, curved = (a - b).norm(dim=-1).flatten(1), manifold.dist(x, y).flatten(1)
    slack = 64 * target.rounding(x[0, 0].numel())
    off = ((flat - curved).abs() / (flat + curved + a.norm(dim=-1).flatten(1))).amax(dim=1)
    trial = worst("distances in coordinates", off, slack, x)
    back = _equal("points and their coordinates", manifold.from_coordinates(a), x, x, target)
    return Finding(0.0, (trial, back))


@attacks(points_kept)
def _(premise: Premise, target: Target) -> Finding:
    """Attack one step along a field that pulls hard at points, or else along the claim's own."""
    method, manifold = premise.subject, premise.values["manifold"]
    example = on_manifold(manifold, target)
    away = target.randn(*example.shape[example.ndim - len(manifold.shape) :])
    field: Any = _Pull(manifold, target.scale * away)
    with suppress(TypeError):
        method.require(field)
        return _attacked(field, method, manifold, example, target)
    step = step_of(target.module)
    if step is None:
        msg = f"{method!r} takes none of the fields that were made to attack it"
        raise NotAttackedError(msg)
    return _attacked(step.field, method, manifold, example, target)


def _attacked(
    field: Any, method: Integrator, manifold: PointSet, example: Tensor, target: Target
) -> Finding:
    h = float(target.log_uniform(1, -1.0, -0.3))
    step = Step(field, method, UniformSteps(horizon=h, count=1))
    quick = Effort.named("quick")
    aimed = replace(target, module=step, inputs=example, effort=quick, depth=1, twin=None)
    return attack(OnManifold(manifold), aimed)


@final
class _Pull(VectorField):
    """The field away - x, projected where there are tangent spaces."""

    def __init__(self, manifold: PointSet, away: Tensor) -> None:
        super().__init__()
        self.away = away
        self.manifold = manifold if isinstance(manifold, Manifold) else None

    def forward(self, t: Time, x: Tensor) -> Tensor:
        del t
        way, manifold = self.away - x, self.manifold
        return manifold.project(x, way) if isinstance(manifold, Manifold) else way
