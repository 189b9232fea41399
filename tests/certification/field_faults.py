"""Flows whose field declares what is false, and lists no premise that would say so.

`FAULTS` maps a name to a factory of the flow and a part of the premise that must be refuted.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

import darboux as dx
from darboux.fields import CanonicalPhaseField, SeparablePhaseField, VectorField
from darboux.integrators import Integrator


class Pull(VectorField):
    """f = -k(t) z with what is declared of it, and no premises."""

    def __init__(self, **declared: object) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(1.0))
        self.declared = {"rising": 0.0, **declared}
        for name in ("autonomous", "passive", "reversible"):
            if name in declared:
                setattr(self, name, declared[name])

    def forward(self, t, z):
        return -self.stiffness(t) * z

    def stiffness(self, t):
        return self.rate * (1 + self.declared["rising"] * t)

    def energy(self, t, z):
        return 0.5 * self.stiffness(t) * z.square().sum(dim=1)

    def lipschitz(self):
        return self.declared.get("lipschitz")

    def one_sided_lipschitz(self):
        return self.declared.get("one_sided")

    def cocoercivity(self):
        return self.declared.get("cocoercivity")

    def prepare(self):
        faster = self.declared.get("prepared", 1.0)
        return lambda t, z: faster * self(t, z)


class Periodic(Pull):
    """Depends on time, and not at the times 0, 0.37, -1.3 and 11."""

    def stiffness(self, t):
        return self.rate * (1 + 0.01 * t * (t - 0.37) * (t + 1.3) * (t - 11))


class Growing(VectorField):
    """f = 1 with a growth that is ten times too small."""

    autonomous = True

    def forward(self, t, z):
        return torch.ones_like(z) + 0 * z

    def growth(self):
        return torch.tensor(0.2), dx.structure.Kind.BOUND


class Oscillator(CanonicalPhaseField):
    """H = |z|²/2 + |p|²/2 with a fault in what methods take of it."""

    autonomous = True

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.reversible = fault == "parts are not reversible"
        self.exact_parts = fault == "parts are not undone"

    def slopes(self, t, z, p):
        return p, -z

    def drift(self, t, z, p):
        return (1.1 if self.fault == "another drift" else 1.0) * p

    def kick(self, t, z, p):
        return -z

    def energy(self, t, x):
        return 0.5 * x.square().sum(dim=1)

    def parts(self):
        if self.fault == "parts are not undone":
            return [Rounded()]
        return [Part(0.3), Part(-0.3)]

    def supply(self, t, x):
        return 0.1 * x if self.fault == "something is supplied" else None


class Part:
    """ż = p/2 + a z, ṗ = -z/2 + a p: half of the oscillator, with a divergence that the other
    half takes back."""

    def __init__(self, stretch: float) -> None:
        self.stretch = stretch

    def flow(self, t, h, x):
        z, p = x.chunk(2, dim=1)
        angle = 0.5 * torch.as_tensor(h, dtype=x.dtype)
        c, s, e = angle.cos(), angle.sin(), (2 * self.stretch * angle).exp()
        return e * torch.cat([c * z + s * p, c * p - s * z], dim=1)


class Rounded:
    """An Euler step, which is not undone by one of -h."""

    def flow(self, t, h, x):
        z, p = x.chunk(2, dim=1)
        return torch.cat([z + h * p, p - h * z], dim=1)


class Halved(SeparablePhaseField):
    """Two shears, and other parts than these."""

    autonomous = True

    def drift(self, t, z, p):
        return p

    def kick(self, t, z, p):
        return -z

    def parts(self):
        return [Part(0.3), Part(-0.3)]


class Driven(SeparablePhaseField, CanonicalPhaseField):
    """A field that does not look at time, with a kick that does."""

    autonomous = True

    def forward(self, t, x):
        return super().forward(0.0, x)

    def drift(self, t, z, p):
        return p

    def kick(self, t, z, p):
        return -z * (1 + t)

    def energy(self, t, x):
        return 0.5 * x.square().sum(dim=1)


class Crowd(CanonicalPhaseField):
    """An oscillator for each sample, of a rate that depends a little on the whole batch."""

    autonomous = True

    def rate(self, z):
        return 1 + 0.01 * z.square().mean().tanh()

    def drift(self, t, z, p):
        return p

    def kick(self, t, z, p):
        return -self.rate(z) * z

    def energy(self, t, x):
        z, p = x.chunk(2, dim=1)
        return 0.5 * (self.rate(z) * z.square() + p.square()).sum(dim=1)


def flow(field: VectorField, method: Integrator) -> dx.Flow:
    return dx.Flow(field, method, horizon=0.6, steps=2)


def contractive(field: VectorField) -> dx.Flow:
    return dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))


euler, verlet = dx.integrators.Euler, dx.integrators.StormerVerlet
gonzalez, splitting = dx.integrators.GonzalezGradient, dx.integrators.Splitting
FAULTS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "lipschitz() too small": (lambda: flow(Pull(lipschitz=0.5), euler()), "‖Δf‖ <= L"),
    "cocoercivity() too large": (lambda: contractive(Pull(cocoercivity=-3.0)), "Δz⟩ <= ν̄"),
    "a constant of the first moment": (
        lambda: flow(Pull(lipschitz=1.0, rising=1.0), euler()),
        "‖Δf‖ <= L",
    ),
    "prepared to go faster": (
        lambda: contractive(Pull(cocoercivity=-1.0, prepared=1.5)),
        "Δz⟩ <= ν̄",
    ),
    "a potential that rises": (
        lambda: contractive(Pull(cocoercivity=-1.0, rising=-0.1, autonomous=True)),
        "does not depend on t",
    ),
    "at rest at a few times": (
        lambda: contractive(Periodic(cocoercivity=-1.0, autonomous=True)),
        "does not depend on t",
    ),
    "a kick that looks at time": (lambda: flow(Driven(), verlet()), "does not depend on t"),
    "growth() too small": (
        lambda: flow(Growing(), dx.integrators.PostActivation(euler())),
        "√P for Growing",
    ),
    "another drift": (lambda: flow(Oscillator("another drift"), verlet()), "= (drift, kick)"),
    "something is supplied": (
        lambda: flow(Oscillator("something is supplied"), gonzalez()),
        "S∇energy",
    ),
    "parts are not Hamiltonian": (
        lambda: flow(Oscillator(), splitting()),
        "parts of Oscillator: Symplectic()",
    ),
    "parts are not reversible": (
        lambda: flow(Oscillator("parts are not reversible"), splitting()),
        "parts of Oscillator: Reversible()",
    ),
    "parts are not undone": (
        lambda: flow(Oscillator("parts are not undone"), splitting()),
        "parts of Oscillator: Invertible()",
    ),
    "a batch in one equation for each sample": (
        lambda: flow(Crowd(), verlet()),
        "samples of Crowd are independent",
    ),
    "a batch in stages for each sample": (
        lambda: flow(Crowd(), dx.integrators.ImplicitMidpoint()),
        "samples of Crowd are independent",
    ),
    "parts that stretch, of shears": (lambda: flow(Halved(), splitting()), "div = 0 for each"),
}
