"""The attack on fields that are sums of divergence-free parts."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from darboux.certification._attacks.sampling import worst
from darboux.certification._attacks.volume import dense_jacobian
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack_premise
from darboux.certification._premises.phase import places
from darboux.certification._problem import Problem, norms
from darboux.certification._target import Target
from darboux.structure import DivergenceFreeField

_POINTS = 4

_LARGEST = 512

_STEP = 1e-3


@attack_premise.register
def _(premise: DivergenceFreeField, target: Target) -> Finding:
    """Compare the field with the speeds of its parts, and log|det| of each part's flow with 0."""
    field: Any = premise.subject
    if not hasattr(field, "parts"):
        msg = f"{type(field).__name__} has no method parts()"
        raise NotAttackedError(msg)
    problem, points = places(field, target)
    points = points[:_POINTS]
    time = float(getattr(target.module, "time", 0.0))
    parts = field.parts()
    with torch.no_grad():
        speed = torch.stack([_speed(part, time, points) for part in parts]).sum(dim=0)
    name = "field against the speeds of its parts"
    value = problem(points)
    size = (norms(value) + norms(speed)).clamp(min=torch.finfo(points.dtype).tiny)
    # the quotient of differences is exact to h⁴, and to rounding of the points over h
    lost = problem.target.rounding(problem.size) * norms(points) / _STEP
    trial = worst(name, norms(value - speed) / size, 1e-8 + 16 * lost / size, points)
    return Finding(0.0, (trial, *_volumes(parts, time, problem, points)))


def _speed(part: Any, time: float, z: Tensor) -> Tensor:
    """Return d/dh of a part's flow at h = 0, by a fourth-order difference."""
    near = part.flow(time, _STEP, z) - part.flow(time, -_STEP, z)
    far = part.flow(time, 2 * _STEP, z) - part.flow(time, -2 * _STEP, z)
    return (8 * near - far) / (12 * _STEP)


def _volumes(parts: Any, time: float, problem: Problem, points: Tensor) -> tuple[Trial, ...]:
    n = problem.size
    if n > _LARGEST:
        return ()
    h = 0.5 / float(norms(problem(points)).max().clamp(min=1e-3))
    found = torch.zeros(len(points), dtype=points.dtype)
    slack = torch.zeros_like(found)
    for part in parts:
        call = partial(part.flow, time, h)
        matrices = [dense_jacobian(call, point) for point in points]
        volumes = torch.stack([torch.linalg.slogdet(matrix)[1].abs() for matrix in matrices])
        conditions = torch.stack([torch.linalg.cond(matrix) for matrix in matrices])
        allowed = problem.target.rounding(n) * (1 + conditions) * n
        worse = volumes - allowed > found - slack
        found, slack = torch.where(worse, volumes, found), torch.where(worse, allowed, slack)
    return (worst("|log|det|| of the flows of the parts", found, slack, points),)
