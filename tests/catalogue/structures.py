"""Structures: name -> (structure, map). Those of `HONEST` have it, those of `FALSE` nearly do."""

from __future__ import annotations

import math

import torch
from torch import nn

from darboux.manifolds import SPD, LevelSet, Sphere
from darboux.structure import (
    Averaged,
    BiLipschitz,
    ConformalSymplectic,
    Convex,
    Dissipative,
    EnergyPreserving,
    Equivariant,
    EquivariantOn,
    Invertible,
    Isometric,
    LinearGrowth,
    Lipschitz,
    LipschitzOn,
    LogDeterminant,
    NearlyEquivariant,
    NearlyScaleEquivariant,
    OnManifold,
    Reversible,
    Smooth,
    Symplectic,
    VolumePreserving,
    WeaklyConvex,
)
from darboux.symmetry import SO2, Cyclic, Feature


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


def bend(x):
    """Return x + sin(x)/2, of slopes 1/2 to 3/2."""
    return x + torch.sin(x) / 2


def straighten(y):
    """Return the inverse of `bend`, to which the iteration contracts by 1/2."""
    x = y
    for _ in range(60):
        x = y - torch.sin(x) / 2
    return x


def bend_and_log_det(x, factor=1.0):
    return bend(x), (factor * (1 + torch.cos(x) / 2)).log().flatten(1).sum(dim=1)


def smooth(x):
    """Return the mean of the four neighbours.

    It multiplies waves by (cos a + cos b)/2. For frequencies of length 1 that is 0.7702 along an
    axis and 0.7602 along a diagonal.
    """
    moves = [(step, dim) for step in (1, -1) for dim in (2, 3)]
    return sum(x.roll(step, dims=dim) for step, dim in moves) / 4


def at_two_scales(x):
    """Return x, and 9/8 x, which should be x dilated."""
    return torch.cat([x, 1.125 * x], dim=1)


def turning(field):
    """Return what commutes with quarter turns of the channels of a field, as it claims."""
    feature = Feature(Cyclic(4), [field])
    return Equivariant(Cyclic(4), feature, feature)


def on_sphere(x, *, length=1.0):
    """Return points of the sphere, or of a larger one."""
    return length * torch.nn.functional.normalize(torch.sin(3 * x) + 0.5, dim=-1)


def beyond_the_equator(x):
    """Return points of the sphere, and of a slightly larger one for some."""
    return x * (1 + 1e-3 * (x[:, :1] > 0.9))


def oval(x):
    """Return the equation of an ellipsoid in four dimensions."""
    return (x * x).sum(dim=1, keepdim=True) + (x[:, :1] * x[:, :1]) - 1


def squared(x):
    """Return x², which doubles all distances of positive definite matrices."""
    return x @ x


FLAT, CURVED = SPD(2, metric="log-euclidean"), SPD(2)

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
    "bi-lipschitz": (BiLipschitz(0.5, 1.5), Call(bend, inverse=straighten)),
    "bi-lipschitz, no inverse": (BiLipschitz(0.5, 1.5), Call(bend)),
    "log-determinant": (LogDeterminant(), Call(bend, forward_and_log_det=bend_and_log_det)),
    "equivariant": (turning("regular"), nn.Tanh()),
    "nearly equivariant": (NearlyEquivariant(SO2(), error=0.01), Call(smooth)),
    "nearly scale-equivariant": (
        NearlyScaleEquivariant(2.0, 2, lifting=True, band=1.0, error=0.125),
        Call(at_two_scales),
    ),
    "on the sphere": (OnManifold(Sphere(4)), Call(on_sphere)),
    "on a level set": (OnManifold(LevelSet(oval, (4,))), Call(lambda x: -x)),
    "log-euclidean lipschitz": (LipschitzOn(FLAT, 2.0), Call(squared)),
    "affine-invariant lipschitz": (LipschitzOn(CURVED, 1.0), Call(torch.linalg.inv)),
    "moves along": (EquivariantOn(CURVED), Call(lambda x: 2 * x)),
    "convex": (Convex(), Call(lambda x: square(x) + torch.cos(x).sum(dim=1))),
    "weakly convex": (WeaklyConvex(1.0), Call(lambda x: torch.cos(x).sum(dim=1))),
    "smooth": (Smooth(1.0), Call(lambda x: torch.cos(x).sum(dim=1))),
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
    "bi-lipschitz, lower": (BiLipschitz(0.51, 1.5), Call(bend, inverse=straighten)),
    "bi-lipschitz, upper": (BiLipschitz(0.5, 1.49), Call(bend, inverse=straighten)),
    "bi-lipschitz, no inverse": (BiLipschitz(0.51, 1.5), Call(bend)),
    "bi-lipschitz, wrong inverse": (BiLipschitz(0.51, 1.5), Call(bend, inverse=torch.sin)),
    "bi-lipschitz, folds": (BiLipschitz(0.5, 1.0), Call(torch.abs)),
    "log-determinant": (
        LogDeterminant(),
        Call(bend, forward_and_log_det=lambda x: bend_and_log_det(x, factor=1.001)),
    ),
    "equivariant": (turning("regular"), Call(lambda x: x * torch.tensor([1.0, 1, 1, 1.001]).to(x))),
    "nearly equivariant": (NearlyEquivariant(SO2(), error=0.009), Call(smooth)),
    "nearly equivariant, gain": (NearlyEquivariant(SO2(), error=0.01, gain=0.99), Call(smooth)),
    "nearly scale-equivariant": (
        NearlyScaleEquivariant(2.0, 2, lifting=True, band=1.0, error=0.12),
        Call(at_two_scales),
    ),
    "on the sphere": (OnManifold(Sphere(4)), Call(lambda x: on_sphere(x, length=1 + 1e-5))),
    "on the sphere, somewhere": (OnManifold(Sphere(4)), Call(beyond_the_equator)),
    "on a level set": (OnManifold(LevelSet(oval, (4,))), Call(lambda x: x.roll(1, 1))),
    "log-euclidean lipschitz": (LipschitzOn(FLAT, 1.99), Call(squared)),
    "affine-invariant lipschitz": (LipschitzOn(CURVED, 1.0), Call(squared)),
    "moves along": (EquivariantOn(CURVED), Call(lambda x: x + 1e-5 * squared(x))),
    "convex": (Convex(), Call(lambda x: square(x) + 1.01 * torch.cos(x).sum(dim=1))),
    "convex, far away": (Convex(), Call(lambda x: torch.relu(x.abs() - 1).clamp(max=9).sum(dim=1))),
    "weakly convex": (WeaklyConvex(0.99), Call(lambda x: torch.cos(x).sum(dim=1))),
    "smooth": (Smooth(0.99), Call(lambda x: torch.cos(x).sum(dim=1))),
}

IMAGES = ("nearly equivariant", "nearly equivariant, gain", "nearly scale-equivariant")


def example_of(name, dtype=torch.float32):
    """Return an example for a case: points, where the claim is about points."""
    structure, _ = {**HONEST, **FALSE}[name]
    if isinstance(structure, LipschitzOn | EquivariantOn):
        return structure.manifold.random_point(3, dtype=torch.float64).to(dtype)
    x = torch.randn(example_shape(name), dtype=dtype)
    return structure.manifold.nearest(x) if isinstance(structure, OnManifold) else x


def example_shape(name):
    """Return the shape of an example for a case."""
    return (1, 1, 7, 7) if name in IMAGES else (3, 4)
