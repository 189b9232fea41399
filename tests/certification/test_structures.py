"""Each structure: a map that has it, and one that nearly does."""

import math

import pytest
import torch
from torch import nn

from darboux.certification import certify
from darboux.structure import (
    Averaged,
    ConformalSymplectic,
    Dissipative,
    EnergyPreserving,
    Invertible,
    Isometric,
    LinearGrowth,
    Lipschitz,
    Reversible,
    Symplectic,
    VolumePreserving,
)


class Call(nn.Module):
    """A module from functions."""

    def __init__(self, forward, **methods):
        super().__init__()
        self.run = forward
        for name, method in methods.items():
            setattr(self, name, method)

    def forward(self, x):
        return self.run(x)


def kick(z, force=torch.sin, h=0.3, damping=1.0):
    """Return one step of symplectic Euler for a separable Hamiltonian."""
    q, p = z.chunk(2, dim=1)
    p = damping * p - h * force(q)
    return torch.cat([q + h * p, p], dim=1)


def verlet(z, h=0.3, skew=0.0):
    """Return one step of Störmer-Verlet, with a fault that breaks its symmetry."""
    q, p = z.chunk(2, dim=1)
    p = p - 0.5 * h * torch.sin(q)
    q = q + h * p * (1 + skew * torch.cos(q))
    return torch.cat([q, p - 0.5 * h * torch.sin(q)], dim=1)


def euler(z, h=0.3):
    """Return one step of explicit Euler, which is not symplectic."""
    q, p = z.chunk(2, dim=1)
    return torch.cat([q + h * p, p - h * torch.sin(q)], dim=1)


def rotate(z, angle=0.4, stretch=1.0):
    q, p = z.chunk(2, dim=1)
    c, s = stretch * math.cos(angle), stretch * math.sin(angle)
    return torch.cat([c * q - s * p, s * q + c * p], dim=1)


def additive(x, sign=1.0):
    a, b = x.chunk(2, dim=1)
    return torch.cat([a, b + sign * torch.sin(3 * a)], dim=1)


def square(z):
    return 0.5 * z.flatten(1).square().sum(dim=1)


HONEST = {
    "lipschitz": (Lipschitz(2.0), Call(lambda x: 2 * torch.sin(x))),
    "averaged": (Averaged(0.25), Call(lambda x: 0.75 * x + 0.25 * torch.sin(x))),
    "identity": (Averaged(0.0), nn.Identity()),
    "isometric": (Isometric(), Call(rotate)),
    "isometric into more": (Isometric(), Call(lambda x: torch.cat([x, 0 * x], dim=1))),
    "linear growth": (LinearGrowth(1.0), Call(lambda x: torch.relu(x - 0.2 * x) + 0.4)),
    "invertible": (
        Invertible(),
        Call(additive, inverse=lambda y: additive(y, sign=-1.0)),
    ),
    "volume": (VolumePreserving(), Call(additive)),
    "symplectic": (Symplectic(), Call(kick)),
    "conformal": (ConformalSymplectic(0.9), Call(lambda z: kick(z, damping=0.9))),
    "reversible": (Reversible(), Call(verlet)),
    "energy": (EnergyPreserving(), Call(rotate, energy=square)),
    "dissipative": (Dissipative(), Call(lambda z: 0.5 * z, energy=square)),
}

FALSE = {
    "lipschitz, overflows": (Lipschitz(1.0), Call(torch.exp)),
    "lipschitz": (Lipschitz(1.99), Call(lambda x: 2 * torch.sin(x))),
    "averaged": (Averaged(0.25), Call(lambda x: 0.74 * x + 0.26 * torch.sin(x) - 0.01 * x)),
    "averaged, expansive": (Averaged(0.5), Call(lambda x: -0.1 * x)),
    "identity": (Averaged(0.0), Call(lambda x: x + 1e-3 * torch.sin(x))),
    "isometric, stretches": (Isometric(), Call(lambda z: rotate(z, stretch=1.001))),
    "isometric, one direction": (
        Isometric(),
        Call(lambda z: torch.cat([z[:, :1] * 0.99, z[:, 1:]], dim=1)),
    ),
    "linear growth": (LinearGrowth(0.1), Call(lambda x: 1.01 * x)),
    "linear growth, negative": (LinearGrowth(1.0), Call(lambda x: x - 0.01)),
    "invertible": (Invertible(), Call(additive, inverse=lambda y: additive(y, sign=-0.999))),
    "volume": (VolumePreserving(), Call(lambda x: additive(x) * 1.001)),
    "symplectic": (Symplectic(), Call(euler)),
    "symplectic, damped": (Symplectic(), Call(lambda z: kick(z, damping=0.999))),
    "conformal": (ConformalSymplectic(0.9), Call(lambda z: kick(z, damping=0.89))),
    "reversible": (Reversible(), Call(lambda z: verlet(z, skew=1e-3))),
    "energy": (EnergyPreserving(), Call(lambda z: rotate(z, stretch=1.0001), energy=square)),
    "dissipative": (
        Dissipative(),
        Call(lambda z: torch.cat([1.001 * z[:, :1], 0.5 * z[:, 1:]], dim=1), energy=square),
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_map_is_not_refuted(name):
    structure, module = HONEST[name]
    certificate = certify(module, torch.randn(3, 4), claims=[structure], effort="normal")
    assert [row.status for row in certificate.rows] == ["not refuted"] * 2, str(certificate)


@pytest.mark.parametrize("name", FALSE)
def test_false_claim_is_refuted(name):
    structure, module = FALSE[name]
    certificate = certify(module, torch.randn(3, 4), claims=[structure], effort="normal")
    assert certificate.rows[0].refuted, str(certificate)
    assert not certificate.holds


@pytest.mark.parametrize("name", ["symplectic", "volume", "reversible", "isometric"])
def test_images_are_split_along_channels(name):
    structure, module = HONEST[name]
    certificate = certify(module, torch.randn(2, 4, 3, 3), claims=[structure], effort="quick")
    assert certificate.rows[0].status == "not refuted", str(certificate)


@pytest.mark.parametrize(
    ("structure", "shape", "reason"),
    [
        (Symplectic(), (2, 3), "even number of channels"),
        (VolumePreserving(), (1, 4, 20, 20), "too large"),
        (Invertible(), (2, 4), r"no method inverse"),
        (EnergyPreserving(), (2, 4), r"no method energy"),
    ],
    ids=["odd channels", "large", "no inverse", "no energy"],
)
def test_what_cannot_be_attacked_says_why(structure, shape, reason):
    row = certify(nn.Identity(), torch.randn(shape), claims=[structure], effort="quick").rows[0]
    assert row.status == "not attacked"
    assert reason in row.note
