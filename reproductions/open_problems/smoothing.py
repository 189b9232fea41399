"""Time-dependent Hamiltonian networks: how the energy varies with the smoothness of θ(t)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

import darboux as dx
from darboux.control import H1

_FEATURES, _LAYERS, _WAVES = 8, 64, 12
_SAMPLES = 100


@dataclass(frozen=True)
class Smoothed:
    """A Hamiltonian network whose parameters are functions of time of some smoothness."""

    decay: float  # waves of frequency k have amplitudes k^-decay
    roughness: float  # ‖∂θ‖ in L²(0, 1)
    variation: float  # mean over samples of Σ_k |H(t_{k+1}, u_{k+1}) - H(t_k, u_k)|
    growth: float  # the largest ‖∂u_K/∂u_0‖₂


def smoothed(decays: Sequence[float], seed: int) -> list[Smoothed]:
    """Return networks from rough to smooth parameters, all of the same size in L²."""
    return [_measured(decay, seed) for decay in decays]


def _measured(decay: float, seed: int) -> Smoothed:
    generator = torch.Generator().manual_seed(seed)
    fields = _fields(decay, generator)
    flow = dx.Flow(fields, dx.integrators.StormerVerlet(), horizon=1.0)
    start = sum(  # ‖θ(0)‖², which the norm of H¹ contains
        float(p.detach().square().sum()) for p in fields[0].parameters()
    )
    u = torch.randn(_SAMPLES, 2 * _FEATURES, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        states = flow.trajectory(u)
        energies = torch.stack(
            [f.energy(0.0, z) for f, z in zip([*fields, fields[-1]], states, strict=True)]
        )
    jacobians = torch.func.vmap(torch.func.jacfwd(lambda x: flow(x[None])[0]))(u[:10]).detach()
    return Smoothed(
        decay,
        (float(H1()(flow).detach()) - start) ** 0.5,
        float(energies.diff(dim=0).abs().sum(dim=0).mean()),
        float(torch.linalg.matrix_norm(jacobians, 2).max()),
    )


def _fields(decay: float, generator: torch.Generator) -> list[dx.fields.HamiltonianField]:
    """Return the fields of the layers, θ(t) = Σ_k k^-decay (α_k cos + β_k sin)(2πkt)."""
    linear, odd = dx.linear.Dense, dx.activations.Tanh
    fields = [
        dx.fields.HamiltonianField(
            linear(_FEATURES, _FEATURES), linear(_FEATURES, _FEATURES), odd()
        ).double()
        for _ in range(_LAYERS)
    ]
    t = torch.arange(_LAYERS, dtype=torch.float64) / _LAYERS
    k = torch.arange(1, _WAVES + 1, dtype=torch.float64)
    waves = torch.cat([f(2 * math.pi * k * t[:, None]) for f in (torch.cos, torch.sin)], dim=1)
    amplitudes = (k**-decay).repeat(2)
    waves = waves * amplitudes / amplitudes.norm()
    with torch.no_grad():
        for same in zip(*(field.parameters() for field in fields), strict=True):
            share = torch.randn(2 * _WAVES, same[0].numel(), generator=generator).double()
            values = waves @ share * (2 / _FEATURES) ** 0.5
            for parameter, value in zip(same, values, strict=True):
                parameter.copy_(value.reshape(parameter.shape))
    return fields
