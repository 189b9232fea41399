"""The attacks on preserved and on decreasing energies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import (
    Finding,
    NotAttackedError,
    Trial,
    attack,
    method_of,
)
from darboux.certification._problem import Problem, norms, spread, unit
from darboux.certification._target import Target
from darboux.structure import Dissipative, EnergyPreserving

Energy = Callable[[Tensor], Tensor]


@attack.register
def _(structure: EnergyPreserving, target: Target) -> Finding:
    """Look for points whose energy changes."""
    del structure
    problem = Problem(target.module, target)
    energy = _energy(target, problem)
    points = sample_points(problem, cost=2.0)
    moved = problem(points)
    with torch.no_grad():
        before, after = energy(points), energy(moved)
    size = before.abs() + after.abs() + _resolution(energy, moved)
    slack = 4 * target.rounding(problem.size)  # equations of implicit steps are solved to rounding
    trial = worst("|H(φ(z)) - H(z)|, relative", (after - before).abs() / size, slack, points)
    return Finding(0.0, (trial,), problem.note())


@attack.register
def _(structure: Dissipative, target: Target) -> Finding:
    """Look for points whose energy rises, along the trajectory and by gradient ascent."""
    del structure
    problem = Problem(target.module, target)
    energy = _energy(target, problem)
    points = sample_points(problem, cost=4.0)
    found = _climb(problem, energy, points)
    trials = [
        _trial("energy before and after", problem, energy, points),
        _trial("gradient ascent on the rise", problem, energy, found),
    ]
    return Finding(0.0, tuple(trials) + _along(target, energy, points), problem.note())


def _energy(target: Target, problem: Problem) -> Energy:
    energy = method_of(target.module, "energy(z)")
    try:
        with torch.no_grad():
            shape = tuple(energy(target.inputs).shape)
    except (TypeError, ValueError) as error:
        raise NotAttackedError(str(error)) from None
    if shape != (len(target.inputs),):
        msg = f"energy(z) must return one number per sample, (batch,); got {shape}"
        raise NotAttackedError(msg)
    return partial(problem.total, energy)


def _trial(name: str, problem: Problem, energy: Energy, points: Tensor) -> Trial:
    """Return the largest rise of the energy relative to its size."""
    moved = problem(points)
    with torch.no_grad():
        before, after = energy(points), energy(moved)
    usable = before.abs() + after.abs() + _resolution(energy, moved)
    # A sum of n terms is as exact as √n ε of its size; signs may cancel, so count twice.
    slack = 2 * problem.target.rounding(problem.size)
    return worst(name, (after - before) / usable, slack, points)


def _resolution(energy: Energy, points: Tensor) -> Tensor:
    """Return ‖∇H‖‖z‖: relative changes of z by ε change H by ε times that, however small H is."""
    z = points.detach().requires_grad_()
    with torch.enable_grad():
        value = energy(z).sum()
        (slope,) = torch.autograd.grad(value, z) if value.requires_grad else (torch.zeros_like(z),)
    return norms(slope) * norms(points) + torch.finfo(points.dtype).tiny


def _climb(problem: Problem, energy: Energy, points: Tensor) -> Tensor:
    """Return points after ascent of (V(φ(z)) - V(z)) / ‖φ(z) - z‖²."""
    # Inside the step limit that quotient is at most -(1/h - L/2), beyond it positive
    # somewhere; the division makes points near equilibria count as much as others.
    points = points[: problem.chunk]
    steps = problem.afford(
        problem.target.effort.ascent, fraction=0.3, calls=4.0 * len(points), least=4
    )
    value, slope = _rise(problem, energy, points)
    step = torch.full_like(value, 0.3)
    for _ in range(steps):
        reach = norms(points).clamp(min=1e-6 * problem.target.scale) * step
        reach = reach * (1e-3 if problem.target.near else 1.0)
        there = points + spread(reach, points) * unit(slope)
        new, new_slope = _rise(problem, energy, there)
        up = new > value
        points = torch.where(spread(up, points), there, points)
        slope = torch.where(spread(up, points), new_slope, slope)
        value = torch.where(up, new, value)
        step = torch.where(up, step * 1.5, step / 2).clamp(1e-6, 10.0)
    return points


def _rise(problem: Problem, energy: Energy, points: Tensor) -> tuple[Tensor, Tensor]:
    z = points.detach().requires_grad_()
    with torch.enable_grad():
        moved = problem.call(z)
        way = (moved - z).reshape(len(z), -1).square().sum(dim=1)
        value = (energy(moved) - energy(z)) / (way + 1e-12)
        (slope,) = torch.autograd.grad(value.sum(), z)
    value = torch.where(value.isfinite(), value, torch.full_like(value, -torch.inf))
    return value.detach(), slope.nan_to_num(0.0, 0.0, 0.0)


def _along(target: Target, energy: Energy, points: Tensor) -> tuple[Trial, ...]:
    """Return the largest rise between neighbours of a trajectory, where the module has one."""
    trajectory = getattr(target.module, "trajectory", None)
    if not callable(trajectory):
        return ()
    with torch.no_grad():
        states = trajectory(points)
        values = torch.stack([energy(state) for state in states])
    size = (values[1:].abs() + values[:-1].abs()).clamp(min=torch.finfo(points.dtype).tiny)
    rises = ((values[1:] - values[:-1]) / size).amax(dim=0)
    slack = 2 * target.rounding(points[0].numel())
    return (worst("energy along the trajectory", rises, slack, points),)
