"""The attacks on how far steps of integrators bring solutions together or apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor

from darboux.certification._attacks.sampling import worst
from darboux.certification._finding import Finding, Trial, attacks
from darboux.certification._problem import Map
from darboux.certification._target import Target
from darboux.flow import advance
from darboux.integrators import Field, Integrator, Time
from darboux.structure import Premise, averaged_steps, contractive_steps, stretch_of_steps

_THETAS = (0.5, 1.0)

_REACHES = (0.1, 1.0, 4.0)  # hL

_BEST = 16  # problems that are tried again, with other numbers close by

_PLANE = (0, 1)

# Every sample is a problem of its own in the plane, whose numbers are further entries of the
# state that do not move: one function f(t, z) stands for all problems, whatever a method makes
# of the samples of a batch. The numbers are those of an angle a + b sin(ωt + c) and four more.


@attacks(averaged_steps)
def _(premise: Premise, target: Target) -> Finding:
    """Look for cocoercive fields whose steps are not as averaged as is said."""
    # ν̄ = -1. D is that of an averaged map if DᵀD + (1-α)/α (D - 1)ᵀ(D - 1) <= 1.
    radius, reach = premise.values["radius"], premise.values["reach"]

    def size(z: Tensor, theta: float) -> Tensor:
        step = _stepped(premise.subject, _folded, 2 * radius * theta, target)
        d = _jacobians(step, z, _PLANE)
        moved = d - torch.eye(2).to(d)
        rest = (1 - theta) / (reach * theta)
        return torch.linalg.eigvalsh(d.mT @ d + rest * moved.mT @ moved)[:, -1]

    start = torch.cat([target.randn(128, 2), _numbers(128, target)], dim=1)
    trials = [
        _search(f"θ = {theta:g}", lambda z, s=theta: size(z, s), start, target)  # type: ignore[misc]
        for theta in _THETAS
    ]
    return Finding(1.0, tuple(trials))


@attacks(contractive_steps)
def _(premise: Premise, target: Target) -> Finding:
    """Look for stiff fields with ν <= 0 whose steps bring solutions apart."""
    step = _stepped(premise.subject, _stiff, 1.0, target)
    start = torch.cat([target.randn(48, 2), _numbers(48, target)], dim=1)
    trial = _search("stiff fields", lambda z: _stretch(step, z, _PLANE), start, target)
    return Finding(1.0, (trial,))


@attacks(stretch_of_steps)
def _(premise: Premise, target: Target) -> Finding:
    """Look for fields of constant L that steps, there and back, stretch by more than is said."""
    method: Integrator = premise.subject
    halves = [torch.cat([target.randn(64, 1), _numbers(64, target)], dim=1) for _ in range(2)]
    start, entries = torch.cat(halves, dim=1), (0, halves[0].shape[1])

    def trial(name: str, way: Map, factor: Tensor) -> Trial:
        return _search(name, lambda z: _stretch(way, z, entries) / factor, start, target)

    trials = []
    for reach, bound in zip(_REACHES, target.log_uniform(3, -1.0, 1.0).tolist(), strict=True):
        field, h = _Shearing(bound), reach / bound
        factor = torch.as_tensor(method.lipschitz_factor(h, bound)).to(start)
        trials.append(trial(f"hL = {reach:g}", _stepped(method, field, h, target), factor))
        if method.by_parts and method.invertible:
            back = partial(method.step_back, field, 0.0, h)
            trials.append(trial(f"hL = {reach:g}, back", back, factor))
    return Finding(1.0, tuple(trials))


def _numbers(count: int, target: Target) -> Tensor:
    """Return random numbers of problems, (count, 8); small a and b are what radii depend on."""
    small = torch.stack([target.log_uniform(count, -2.0, 0.5) for _ in range(2)], dim=1)
    rest = target.inputs.new_tensor([5.0, 3.0, 3.0, 1.0, 1.0, 1.0]).expand(count, 6)
    return target.randn(count, 8) * torch.cat([small, rest], dim=1)


def _angle(t: Time, numbers: Tensor) -> Tensor:
    a, b, speed, phase = numbers[:, :4].unbind(dim=1)
    return a + b * (speed * t + phase).sin()


def _turned(angle: Tensor, x: Tensor) -> Tensor:
    c, s = angle.cos(), angle.sin()
    return torch.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], dim=1)


def _still(x: Tensor, z: Tensor) -> Tensor:
    """Return a slope of which only the first entries are not 0."""
    return torch.cat([x, torch.zeros_like(z[:, x.shape[1] :])], dim=1)


def _folded(t: Time, z: Tensor) -> Tensor:
    """Return -(x + N(x))/2, N(x) = R(t) |R' x + s| nonexpansive: ν̄ = -1."""
    x, numbers = z[:, :2], z[:, 2:]
    image = _turned(_angle(t, numbers), (_turned(numbers[:, 4], x) + numbers[:, 5:7]).abs())
    return _still(-0.5 * (x + image), z)


def _stiff(t: Time, z: Tensor) -> Tensor:
    """Return λ(t) x with Re λ <= 0, from slow to stiff."""
    numbers = z[:, 2:]
    rate = (2 * numbers[:, 7] + 3 * (numbers[:, 2] * t + numbers[:, 4]).sin()).exp()
    turned = _turned(0.5 * math.pi * _angle(t, numbers).sin(), z[:, :2])
    return _still(-rate.unsqueeze(1) * turned, z)


@final
@dataclass(frozen=True)
class _Shearing:
    """The separable field ż = L cos φ(t) p, ṗ = L cos ψ(t) z, of constant L as a whole, too."""

    bound: float
    separable = True
    autonomous = False

    def __call__(self, t: Time, x: Tensor) -> Tensor:
        z, p = x.chunk(2, dim=1)
        return torch.cat([self.drift(t, z, p), self.kick(t, z, p)], dim=1)

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        return _still((self.bound * _angle(t, p[:, 1:]).cos() * p[:, 0]).unsqueeze(1), z)

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        return _still((self.bound * _angle(t, z[:, 1:]).cos() * z[:, 0]).unsqueeze(1), p)


def _stepped(method: Integrator, field: Field, h: float, target: Target) -> Map:
    """Return one step, from a random time."""
    time = float(target.randn(1))
    return lambda z: advance(field, method, h, time, z)


def _jacobians(step: Map, z: Tensor, entries: tuple[int, int]) -> Tensor:
    """Return the derivatives of two entries of a step by themselves, (P, 2, 2)."""
    start = z.detach().requires_grad_()
    with torch.enable_grad():
        end = step(start)
        rows = [
            torch.autograd.grad(end[:, k].sum(), start, retain_graph=True)[0][:, list(entries)]
            for k in entries
        ]
    return torch.stack(rows, dim=1)


def _stretch(step: Map, z: Tensor, entries: tuple[int, int]) -> Tensor:
    return torch.linalg.matrix_norm(_jacobians(step, z, entries), 2)


def _search(name: str, size: Callable[[Tensor], Tensor], start: Tensor, target: Target) -> Trial:
    """Return the problem of the largest size, of random ones and those close to the best."""
    best = start[size(start).argsort(descending=True)[:_BEST]]
    near = best.repeat(len(start) // _BEST, 1)
    spread = target.log_uniform(len(near), -2.5, -0.3).unsqueeze(1)
    near = torch.cat([best, near * (1 + spread * target.randn(*near.shape))])
    slack = 64 * target.rounding(1)
    return worst(name, size(near), slack, near)
