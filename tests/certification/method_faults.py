"""Flows whose integrator promises what it does not keep, on fields that do not show it.

`FAULTS` maps a name to a factory of the flow and a part of the premise that must be refuted.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

import darboux as dx
from darboux.fields import CanonicalPhaseField, GradientField, VectorField
from darboux.flow import StepRule
from darboux.integrators import Euler, Integrator, Kutta4, LeapfrogMidpoint, Tableau
from tests.certification.broken import HastyEuler


def tame() -> GradientField:
    """Return a field that the steps of most methods contract."""
    field = GradientField(dx.linear.Dense(4, 4), dx.activations.ReLU())
    with torch.no_grad():
        field.map.weight.copy_(torch.eye(4))
    return field


class Oscillators(CanonicalPhaseField):
    """H = |z|²/2 + |p|²/2, which does not say that it is separable."""

    autonomous = reversible = True

    def drift(self, t, z, p):
        return p

    def kick(self, t, z, p):
        return -z

    def energy(self, t, x):
        return 0.5 * x.square().sum(dim=1)

    def equivariant(self):
        turns = dx.symmetry.Feature(dx.symmetry.Cyclic(5), ["1", "1"])
        return dx.Equivariant(turns.group, turns, turns)


class Bold(Integrator):
    """Kutta's method, with the radius of linear fields that do not depend on time."""

    order = 4
    radius = 1.39

    def step(self, field, t, h, state):
        return Kutta4().step(field, t, h, state)


class Mirrored(Integrator):
    """An Euler step and a reflection: nonexpansive inside the radius of Euler, not averaged."""

    order = 0
    radius = 1.0

    def step(self, field, t, h, state):
        return -(state + h * field(t, state))


class Trapezoid(dx.integrators.ImplicitRungeKutta):
    """The trapezoidal rule, which is A-stable only, sold as B-stable."""

    def __init__(self) -> None:
        super().__init__(Tableau(((0, 0), (0.5, 0.5)), (0.5, 0.5), (0, 1), "trapezoidal"))
        self.b_stable = True
        self.radius = None


class Modest(Integrator):
    """Kutta's method with the Lipschitz constant of an Euler step."""

    order = 4

    def step(self, field, t, h, state):
        return Kutta4().step(field, t, h, state)

    def lipschitz_factor(self, h, lipschitz):
        return torch.as_tensor(1 + h * lipschitz)


class Explicit(Integrator):
    """Symplectic Euler without an equation: symplectic where the field is separable only."""

    order = 1
    symplectic = by_parts = True

    def step(self, field, t, h, state):
        z, p = state.chunk(2, dim=1)
        z = z + h * field.drift(t, z, p)
        return torch.cat([z, p + h * field.kick(t, z, p)], dim=1)


class Bent(Integrator):
    """A method that is another one on linear fields, where what it adds vanishes."""

    order = 1

    def __init__(self, base: Integrator, *promises: str) -> None:
        self.base = base
        for promise in promises:
            setattr(self, promise, True)

    def step(self, field, t, h, state):
        after = self.base.step(field, t, h, state)
        bend = field(t, state) + field(t, after) - field(t, state + after) - field(t, 0 * state)
        return after + 0.1 * h * bend.abs()

    def step_back(self, field, t, h, state):
        return self.base.step_back(field, t, h, state)


class Sticky(Integrator):
    """A leapfrog that loses volume where the field is not linear."""

    order = 2
    doubled = invertible = True

    def init(self, field, t, h, z):
        return LeapfrogMidpoint().init(field, t, h, z)

    def step(self, field, t, h, state):
        past, z = LeapfrogMidpoint().step(field, t, h, state)
        bend = field(t, 2 * past) - 2 * field(t, past) + field(t, 0 * past)
        return past, z / (1 + bend.square().sum(dim=1, keepdim=True))

    def step_back(self, field, t, h, state):
        return LeapfrogMidpoint().step_back(field, t, h, state)

    def value(self, state):
        return state[1]


class Understated(StepRule):
    """Steps of 0.9 of the limit that say they are at most half of it."""

    def count_for(self, field, integrator):
        return 2

    def size(self, field, integrator, index=0):
        return dx.ContractiveSteps(fraction=0.9).size(field, integrator)

    def fraction_of_limit(self):
        return 0.5


def linear() -> dx.fields.HamiltonianField:
    """Return a linear field that is separable."""
    maps = (dx.linear.Dense(2, 2), dx.linear.Dense(2, 2))
    return dx.fields.HamiltonianField(*maps, dx.activations.Identity(), momentum_bias=False)


def flow(field: VectorField, method: Integrator) -> dx.Flow:
    return dx.Flow(field, method, horizon=0.5, steps=2)


def contractive(method: Integrator, steps: StepRule | None = None) -> dx.Flow:
    return dx.Flow(tame(), method, steps=steps or dx.ContractiveSteps(count=2))


midpoint, halves = dx.integrators.ImplicitMidpoint, dx.integrators.SymplecticEuler
FAULTS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "radius of linear fields": (lambda: contractive(Bold()), "steps of Bold: α"),
    "nonexpansive, not averaged": (lambda: contractive(Mirrored()), "steps of Mirrored: α"),
    "longer steps than the tableau's": (
        lambda: dx.Flow(tame(), HastyEuler(), steps=dx.ContractiveSteps(fraction=0.5, count=2)),
        "HastyEuler: z'",
    ),
    "a larger fraction of the limit": (lambda: contractive(Euler(), Understated()), "0 <= h"),
    "A-stable, sold as B-stable": (
        lambda: flow(tame(), Trapezoid()),
        "steps of Trapezoid contract",
    ),
    "too small a factor": (
        lambda: flow(
            dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh()), Modest()
        ),
        "lipschitz_factor",
    ),
    "explicit where nothing separates": (
        lambda: flow(Oscillators(), Explicit()),
        "steps of Explicit on all fields: Symplectic()",
    ),
    "symplectic for quadratic energies": (
        lambda: flow(Oscillators(), Bent(midpoint(), "symplectic")),
        "steps of Bent on all fields: Symplectic()",
    ),
    "symmetric for quadratic energies": (
        lambda: flow(Oscillators(), Bent(midpoint(), "symmetric")),
        "steps of Bent on all fields: Reversible()",
    ),
    "quadratic energies only": (
        lambda: flow(Oscillators(), Bent(midpoint(), "energy_exact")),
        "steps of Bent on all fields: EnergyPreserving()",
    ),
    "undone on linear fields": (
        lambda: flow(linear(), Bent(halves(), "by_parts", "invertible")),
        "steps of Bent on separable fields: Invertible()",
    ),
    "volume of linear fields": (
        lambda: flow(linear(), Bent(halves(), "by_parts")),
        "steps of Bent on separable fields: VolumePreserving()",
    ),
    "pairs of linear fields": (
        lambda: flow(Oscillators(), Sticky()).doubled(),
        "steps of Sticky on all fields: VolumePreserving()",
    ),
    "turns of linear fields": (
        lambda: flow(Oscillators(), Bent(Euler(), "equivariant")),
        "steps of Bent commute",
    ),
}
