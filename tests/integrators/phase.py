"""Small fields on phase space, one step as a module, and the cases of its life cycle."""

import pytest
import torch
from torch import nn

from darboux.testing import LIFECYCLE
from tests.catalogue.fields.phase import CASES, features_of


def example(name):
    """A field of the catalogue with random biases, in float64, and two small states of it."""
    field = CASES[name]().double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    channels, dim = features_of(field)
    return field, torch.randn(2, channels, *(4, 3, 2)[:dim], dtype=torch.float64)


def compiled_once(names, *compiled):
    """Every (name, check) of the life cycle; the methods that are not `compiled` share code."""
    return [
        pytest.param(
            name,
            check,
            marks=pytest.mark.slow if check == "compile" and name not in compiled else (),
            id=f"{name}-{check}",
        )
        for name in names
        for check in LIFECYCLE
    ]


class Phase(nn.Module):
    """A learnable separable field on phase space, as toy as can be."""

    separable = True

    def __init__(self, *, autonomous):
        super().__init__()
        self.autonomous = autonomous
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.weight = nn.Parameter(torch.randn(2, 2, 2) / 2)

    def drift(self, t, z, p):
        return torch.tanh(p @ self.weight[0] + (0 if self.autonomous else t))

    def kick(self, t, z, p):
        return -torch.tanh(z @ self.weight[1] + (0 if self.autonomous else t))

    def forward(self, t, x):
        z, p = x.chunk(2, dim=1)
        return torch.cat([self.drift(t, z, p), self.kick(t, z, p)], dim=1)

    def parts(self):
        return [Half(self, "drift"), Half(self, "kick")]


class Half:
    def __init__(self, field, moves):
        self.field = field
        self.moves = moves

    def flow(self, t, h, x):
        z, p = x.chunk(2, dim=1)
        if self.moves == "drift":
            return torch.cat([z + h * self.field.drift(t, z, p), p], dim=1)
        return torch.cat([z, p + h * self.field.kick(t, z, p)], dim=1)


class OneStep(nn.Module):
    """One step of a learnable field with a learnable step size."""

    def __init__(self, integrator, *, autonomous=False):
        super().__init__()
        self.integrator = integrator
        self.field = Phase(autonomous=autonomous)
        self.h = nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        state = self.integrator.init(self.field, 0.1, self.h, x)
        return self.integrator.value(self.integrator.step(self.field, 0.1, self.h, state))


class DrivenStep(nn.Module):
    """One step of a learnable field that looks at the time, with a learnable step size."""

    def __init__(self, integrator):
        super().__init__()
        self.integrator = integrator
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.weight = nn.Parameter(torch.randn(4, 4) / 4)
        self.h = nn.Parameter(torch.tensor(0.3))

    def forward(self, z):
        state = self.integrator.init(self.field, 0.1, self.h, z)
        return self.integrator.value(self.integrator.step(self.field, 0.1, self.h, state))

    def field(self, t, z):
        return torch.tanh(z @ self.weight + t)


class Linear:
    """ż = Lp, ṗ = ±Lz: each shear attains its norm."""

    separable = autonomous = True

    def __init__(self, sign):
        self.sign = sign

    def drift(self, t, z, p):
        return 2.0 * p

    def kick(self, t, z, p):
        return 2.0 * self.sign * z


class Pendulum:
    """H = p²/2 - cos z, by hand: 10⁴ steps of it are quick."""

    separable = autonomous = True

    def drift(self, t, z, p):
        return p

    def kick(self, t, z, p):
        return -z.sin()

    def energy(self, t, x):
        z, p = x.unbind(dim=1)
        return 0.5 * p.square() - z.cos()

    def __call__(self, t, x):
        z, p = x.unbind(dim=1)
        return torch.stack([p, -z.sin()], dim=1)
