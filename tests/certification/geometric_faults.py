"""Flows that promise a geometric structure on a false premise, one fault each.

`FAULTS` maps a name to a factory of the flow and a part of the statement that must be refuted.
"""

from __future__ import annotations

import torch
from torch import nn

import darboux as dx
from darboux.fields import VectorField
from darboux.integrators import Integrator


class Phase(VectorField):
    """A pendulum with a fault in drift, kick, energy or a declaration."""

    autonomous = separable = canonical = divergence_free = reversible = True
    conservative = passive = True

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault

    def drift(self, t, z, p):
        extra = {"drift looks at z": 0.01 * z, "drift is not odd": 0.01 + 0 * z}
        return p + extra.get(self.fault, 0 * z)

    def kick(self, t, z, p):
        if self.fault == "kick is no gradient":
            return -torch.sin(z.roll(1, dims=1)) * torch.tensor([1.0, 0.5], dtype=z.dtype)
        if self.fault == "kick looks at t":
            return -torch.sin(z) * (1 + 0.1 * torch.as_tensor(t, dtype=z.dtype).sin())
        return -torch.sin(z)

    def forward(self, t, x):
        z, p = x.chunk(2, dim=1)
        return torch.cat([self.drift(t, z, p), self.kick(t, z, p)], dim=1)

    def energy(self, t, x):
        z, p = x.chunk(2, dim=1)
        factor = 1.01 if self.fault == "energy is another" else 1.0
        return (0.5 * factor * p.square() - torch.cos(z)).sum(dim=1)

    def gradient(self, t, x):
        z, p = x.chunk(2, dim=1)
        return torch.cat([torch.sin(z), p], dim=1)

    def steer(self, t, x, g):
        a, b = g.chunk(2, dim=1)
        leak = 1e-3 if self.fault == "S is not skew" else 0.0
        return torch.cat([b + leak * a, -a], dim=1)

    def supply(self, t, x):
        return None


class Leaking(dx.fields.VectorField):
    """Two shears, of which the second stretches: div f != 0."""

    divergence_free = True
    autonomous = True

    def __init__(self, rate: float, *, lost: bool = False) -> None:
        super().__init__()
        self.rate, self.lost = rate, lost

    def forward(self, t, z):
        a, b = z.chunk(2, dim=1)
        extra = 0.1 * torch.sin(b) if self.lost else 0 * b
        return torch.cat([torch.tanh(b) + extra, torch.sin(a) + self.rate * b], dim=1)

    def parts(self):
        return [First(), Second(self.rate)]


class First:
    def flow(self, t, h, z):
        a, b = z.chunk(2, dim=1)
        return torch.cat([a + h * torch.tanh(b), b], dim=1)


class Second:
    def __init__(self, rate: float) -> None:
        self.rate = rate

    def flow(self, t, h, z):
        a, b = z.chunk(2, dim=1)
        return torch.cat([a, (b + h * torch.sin(a)) * (1 + self.rate * h)], dim=1)


class Expanding(VectorField):
    """f = 0.01 z - tanh z, which claims ν = 0; at large z it expands."""

    autonomous = True

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.01))

    def forward(self, t, z):
        return self.gain * z - torch.tanh(z)

    def one_sided_lipschitz(self):
        return 0.0


class Uneven(VectorField):
    """f = -kz with a k for every channel, which claims to commute with their permutations."""

    autonomous = True

    def __init__(self) -> None:
        super().__init__()
        self.strengths = nn.Parameter(torch.tensor([1.0, 1.0, 1.0, 1.01]))

    def forward(self, t, z):
        return -self.strengths * z

    def equivariant(self):
        regular = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
        return dx.Equivariant(regular.group, regular, regular)


class Sheared(Integrator):
    """A step with a coefficient mistyped: it calls itself symmetric, and is not."""

    order = 2
    symplectic = symmetric = by_parts = True

    def step(self, field, t, h, state):
        z, p = state.chunk(2, dim=1)
        p = p + 0.51 * h * field.kick(t, z, p)
        z = z + h * field.drift(t, z, p)
        return torch.cat([z, p + 0.49 * h * field.kick(t, z, p)], dim=1)


class Hasty(Integrator):
    """A drift at the wrong place: no composition of shears."""

    order = 1
    symplectic = by_parts = invertible = True

    def step(self, field, t, h, state):
        z, p = state.chunk(2, dim=1)
        return torch.cat([z + h * field.drift(t, z, p), p + h * field.kick(t, z, p)], dim=1)

    def step_back(self, field, t, h, state):
        z, p = state.chunk(2, dim=1)
        return torch.cat([z - h * field.drift(t, z, p), p - h * field.kick(t, z, p)], dim=1)


class Trapezoid(Integrator):
    """Explicit Euler, sold as B-stable."""

    order = 1
    b_stable = True

    def step(self, field, t, h, state):
        return state + h * field(t, state)


class Rounded(Integrator):
    """The gradient at the midpoint of an Euler step, sold as a discrete gradient."""

    order = 1
    energy_exact = True

    def step(self, field, t, h, state):
        middle = state + 0.5 * h * field(t, state)
        return state + h * field(t, middle)


def _flow(field: VectorField, method: Integrator, *, steps: int = 2) -> dx.Flow:
    return dx.Flow(field, method, horizon=0.5 * steps, steps=steps)


def _stiff() -> VectorField:
    field = dx.fields.GradientField(dx.linear.Dense(4, 4), dx.activations.Tanh(), metric="norm")
    with torch.no_grad():
        field.map.weight.copy_(3 * torch.eye(4))
    return field


VERLET = dx.integrators.StormerVerlet
FAULTS = {
    "drift looks at z": (lambda: _flow(Phase("drift looks at z"), VERLET()), "drift(t, p)"),
    "kick is no gradient": (lambda: _flow(Phase("kick is no gradient"), VERLET()), "J∇energy"),
    "energy is another": (lambda: _flow(Phase("energy is another"), VERLET()), "J∇energy"),
    "drift is not odd": (lambda: _flow(Phase("drift is not odd"), VERLET()), "f(ρz) = -ρf(z)"),
    "kick looks at t": (lambda: _flow(Phase("kick looks at t"), VERLET()), "does not depend on t"),
    "S is not skew": (
        lambda: _flow(Phase("S is not skew"), dx.integrators.GonzalezGradient()),
        "⟨g, Sg⟩ = 0",
    ),
    "a part stretches": (
        lambda: _flow(Leaking(0.01), dx.integrators.Splitting()),
        "div = 0 for each",
    ),
    "a part is lost": (
        lambda: _flow(Leaking(0.0, lost=True), dx.integrators.Splitting()),
        "Σ parts",
    ),
    "nu is wrong": (
        lambda: _flow(Expanding(), dx.integrators.ImplicitEuler()),
        "⟨Δf, Δz⟩ <= ν",
    ),
    "channels are not alike": (lambda: _flow(Uneven(), dx.integrators.Euler()), "f(t, π(g) z)"),
    "coefficients are not symmetric": (lambda: _flow(Phase(), Sheared()), "reversible"),
    "explicit Euler, sold as symplectic": (lambda: _flow(Phase(), Hasty()), "symplectic"),
    "Euler back, sold as an inverse": (lambda: _flow(Phase(), Hasty()), "invertible"),
    "explicit Euler, sold as B-stable": (lambda: _flow(_stiff(), Trapezoid()), "Lipschitz"),
    "midpoint rule, sold as a discrete gradient": (lambda: _flow(Phase(), Rounded()), "H(φ(z))"),
}
