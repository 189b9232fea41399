"""The attacks on the parts of a field: that they add up, and what their flows keep."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.certification._attacks.invertible import square_jacobians
from darboux.certification._attacks.sampling import worst
from darboux.certification._finding import Finding, Trial, attack, attacks, method_of
from darboux.certification._premises.forms import places
from darboux.certification._problem import Problem, norms
from darboux.certification._target import Effort, Target
from darboux.structure import Premise, as_frozen, divergence_free_parts, parts_have

_FEW = 4  # points for determinants

_LARGEST = 512  # dimensions of a dense Jacobian

_STEP = 1e-3

_PARTS = 8  # whose flows are attacked one by one


@attacks(divergence_free_parts)
def _(premise: Premise, target: Target) -> Finding:
    """Compare the field with the speeds of its parts, and log|det| of each part's flow with 0."""
    field: Any = premise.subject
    time, problem, points = places(field, target)
    points = points[:_FEW]
    parts = method_of(field, "parts()")()
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
    h = _duration(problem, points)
    found = torch.zeros(len(points), dtype=points.dtype)
    slack = torch.zeros_like(found)
    for part in parts:
        call = partial(part.flow, time, h)
        matrices = square_jacobians(call, points)
        volumes = torch.linalg.slogdet(matrices)[1].abs()
        allowed = problem.target.rounding(n) * (1 + torch.linalg.cond(matrices)) * n
        worse = volumes - allowed > found - slack
        found, slack = torch.where(worse, volumes, found), torch.where(worse, allowed, slack)
    return (worst("|log|det|| of the flows of the parts", found, slack, points),)


def _duration(problem: Problem, points: Tensor) -> float:
    """Return a time in which flows move by about 1/2."""
    return 0.5 / float(norms(problem(points)).max().clamp(min=1e-3))


@attacks(parts_have)
def _(premise: Premise, target: Target) -> Finding:
    """Attack the flow of each part, of a few at random where there are many."""
    field: Any = premise.subject
    time, problem, points = places(field, target)
    parts = list(method_of(field, "parts()")())
    dice = target.generator
    chosen = torch.randperm(len(parts), generator=dice, device=dice.device)[:_PARTS].tolist()
    few = points[:_FEW]
    target = replace(
        target, inputs=few, effort=Effort.named("quick"), share=target.share / _PARTS, twin=None
    )
    h, structure = _duration(problem, few), premise.values["structure"]
    findings = [
        attack(structure, replace(target, module=_PartFlow(parts[k], time, h))) for k in chosen
    ]
    return Finding(0.0, tuple(trial for finding in findings for trial in finding.trials))


@final
class _PartFlow(nn.Module):
    """The flow of a part for some time, as a map that can be undone."""

    def __init__(self, part: Any, time: float, duration: float) -> None:
        super().__init__()
        self.part, self.time, self.duration = part, time, duration

    def forward(self, z: Tensor) -> Tensor:
        moved: Tensor = self.part.flow(self.time, self.duration, z)
        return moved

    def inverse(self, z: Tensor) -> Tensor:
        moved: Tensor = self.part.flow(self.time, -self.duration, z)
        return moved


@attacks(as_frozen)
def _(premise: Premise, target: Target) -> Finding:
    """Say what is not as it was: that refutes nothing, and shows nothing."""
    del target
    change = premise.values["change"]
    trial = Trial("comparing it with its fingerprint", 1, float(bool(change)), 1.0)
    return Finding(0.0, (trial,), undecided=change)
