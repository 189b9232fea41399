"""The attacks on what integrators promise, by steps along energies that are made for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from darboux.certification._attacks.sampling import worst
from darboux.certification._finding import Finding, NotAttackedError, attack, attacks
from darboux.certification._problem import norms
from darboux.certification._target import Effort, Target
from darboux.fields import (
    CanonicalPhaseField,
    SeparablePhaseField,
    VectorField,
    halves,
    join,
)
from darboux.flow import Step, StepBijection, UniformSteps
from darboux.integrators import Integrator, Time
from darboux.structure import Premise, equivariant_steps, one_stage, steps_have

_POINTS = 8

# The energies are even in p, so that their fields are reversible, and no turn of z and p changes
# them; their slopes grow linearly, so that the equations of implicit methods can be solved.


def _length(x: Tensor) -> Tensor:
    """Return √(1 + |x|²), (batch, 1)."""
    return (1 + x.square().sum(dim=1, keepdim=True)).sqrt()


@final
class _Separable(SeparablePhaseField, CanonicalPhaseField):
    """The field of H = |p|²/2 + 3|z|²/10 + √(1 + |z|²)."""

    autonomous = True

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        return p

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        return -0.6 * z - z / _length(z)

    def energy(self, t: Time, x: Tensor) -> Tensor:
        z, p = halves(x)
        squares = 0.5 * p.square() + 0.3 * z.square()
        return squares.sum(dim=1) + _length(z).squeeze(1)


@final
class _Coupled(CanonicalPhaseField):
    """The field of H = m|p|²/2 + 3|z|²/10 + √(1 + |z|² + |p|²).

    Where m = 3/5 it commutes with turns of z and p into one another, too.
    """

    autonomous = True

    def __init__(self, mass: float) -> None:
        super().__init__()
        self.mass = mass

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        return self.mass * p + p / _length(join(z, p))

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        return -0.6 * z - z / _length(join(z, p))

    def energy(self, t: Time, x: Tensor) -> Tensor:
        z, p = halves(x)
        squares = 0.5 * self.mass * p.square() + 0.3 * z.square()
        return squares.sum(dim=1) + _length(x).squeeze(1)


@attacks(steps_have)
def _(premise: Premise, target: Target) -> Finding:
    """Attack a step along an energy, of any kind or a separable one."""
    step, example = _made(premise.subject, target, premise.values["fields"], "separable")
    if not step.integrator.doubled:
        return attack(premise.values["structure"], _aimed(target, step, example))
    pairs = torch.cat([example, example + 0.1 * target.randn(*example.shape)], dim=1)
    return attack(premise.values["structure"], _aimed(target, StepBijection(step), pairs))


@attacks(equivariant_steps)
def _(premise: Premise, target: Target) -> Finding:
    """Turn states before and after a step along an energy that turns leave alone."""
    halves = premise.values["maps"] == "maps of both halves"
    step, x = _made(premise.subject, target, *(("all", "separable") if halves else ("round",)))
    angle = target.randn(1)
    with torch.no_grad():
        found, wanted = step(_turned(angle, x)), _turned(angle, step(x))
    return _equal("a turn before and after the step", found, wanted, x, target)


@attacks(one_stage)
def _(premise: Premise, target: Target) -> Finding:
    """Put the step into the equation that it should solve."""
    a = premise.values["a"]
    step, z = _made(premise.subject, target, "all", "separable")
    h = float(step.size())
    with torch.no_grad():
        after = step(z)
        wanted = z + h * step.field(a * h, z + a * (after - z))
    return _equal("the equation of the step", after, wanted, z, target)


def _equal(name: str, found: Tensor, wanted: Tensor, points: Tensor, target: Target) -> Finding:
    slack = 64 * target.rounding(points[0].numel())
    error = norms(found - wanted) / (norms(found) + norms(points))
    return Finding(0.0, (worst(name, error, slack, points),))


def _turned(angle: Tensor, x: Tensor) -> Tensor:
    """Turn neighbouring channels."""
    c, s = angle.cos(), angle.sin()
    first, second = x[:, ::2], x[:, 1::2]
    return torch.stack([c * first - s * second, s * first + c * second], dim=2).flatten(1)


def _made(method: Integrator, target: Target, *kinds: str) -> tuple[Step, Tensor]:
    """Return a step along the first kind of field that the method takes, and states."""
    h = float(target.log_uniform(1, -1.2, -0.5))
    for kind in kinds:
        step = Step(_FIELDS[kind](), method, UniformSteps(horizon=h, count=1))
        states = target.randn(_POINTS, 2 if kind == "round" else 4)
        if _runs(step, states):
            return step, states
    msg = f"{method!r} takes none of the fields that were made to attack it"
    raise NotAttackedError(msg)


_FIELDS: dict[str, Callable[[], VectorField]] = {
    "all": lambda: _Coupled(1.0),
    "round": lambda: _Coupled(0.6),
    "separable": _Separable,
}


def _runs(step: Step, example: Tensor) -> bool:
    try:
        with torch.no_grad():
            step(example)
    except (ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError):
        return False
    return True


def _aimed(target: Target, module: nn.Module, example: Tensor) -> Target:
    """Return a step as the target: a small map, which little effort is enough for."""
    quick = Effort.named("quick")
    return replace(
        target, module=module, inputs=example, effort=quick, depth=1, twin=None, near=True
    )
