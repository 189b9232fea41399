"""Rises of H = ‖p‖²/2 + V along conformal symplectic steps, limits of stability, and the form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import darboux as dx
from reproductions.common.extremes import maximum
from reproductions.conformal_optimisers.functions import camelback_value

_START = (-0.5, 0.8)
_FRICTION, _TIME = 0.05, 20.0


@dataclass(frozen=True)
class Rises:
    """How H behaves along a descent with steps of length h."""

    h: float
    steps: int
    count: int  # of steps along which H rises
    largest: float
    total: float
    apart: float  # the largest |H - (H_0 - ∫ γ‖p‖² dt)|, the integral being a sum over steps


def camelback_energy(w: Tensor) -> Tensor:
    """Return V(w)."""
    return camelback_value(*w.unbind())


def rises(h: float) -> Rises:
    """Follow the system with friction γ = 0.05 by the method of order 1."""
    w = torch.nn.Parameter(torch.tensor(_START, dtype=torch.float64))
    step = dx.optim.ConformalHamiltonian([w], h, _FRICTION, order=1).step_map(camelback_energy)
    state = torch.cat([w.detach(), torch.zeros(2, dtype=torch.float64)])[None]
    states = [state]
    for _ in range(round(_TIME / h)):
        states.append(step(states[-1]).detach())
    rows = torch.cat(states)
    squares = rows[:, 2:].square().sum(dim=1)
    energy = squares / 2 + camelback_value(*rows[:, :2].T)
    expected = energy[0] - h * _FRICTION * squares.cumsum(0)
    up = energy.diff().clamp(min=1e-14) - 1e-14
    apart = float((energy - expected).abs().max())
    return Rises(h, len(up), int((up > 0).sum()), float(up.max()), float(up.sum()), apart)


MOMENTUM = 0.8

# name -> (h²λ/m at most, optimiser of that h² for λ = m = 1)
LIMITS: dict[str, tuple[float, Callable[[list[torch.nn.Parameter], float], object]]] = {
    "heavy ball": (
        2 * (1 + MOMENTUM),
        lambda p, size: dx.optim.HeavyBall(p, size, MOMENTUM),
    ),
    "Nesterov": (
        2 * (1 + MOMENTUM) / (1 + 2 * MOMENTUM),
        lambda p, size: dx.optim.Nesterov(p, size, MOMENTUM),
    ),
    "relativistic, order 2, δ = 0": (
        4.0,
        lambda p, size: dx.optim.RelativisticGradientDescent(p, size / 2, MOMENTUM, 0.0),
    ),
}


def limit(name: str) -> float:
    """Return the largest stable h²λ/m on λθ²/2, by bisection."""
    build = LIMITS[name][1]
    low, high = 1e-3, 10.0
    while high / low > 1.0005:
        middle = math.sqrt(low * high)
        optimizer = build([torch.nn.Parameter(torch.zeros((), dtype=torch.float64))], middle)
        assert isinstance(optimizer, torch.optim.Optimizer)
        step = optimizer.step_map(lambda w: w.square() / 2)  # type: ignore[attr-defined]
        start = torch.zeros(1, 2, dtype=torch.float64)
        matrix = torch.autograd.functional.jacobian(lambda y, step=step: step(y)[0], start)[:, 0]
        stable = float(torch.linalg.eigvals(matrix).abs().max()) <= 1 + 1e-9
        low, high = (middle, high) if stable else (low, middle)
    return low


FACTORS: dict[str, tuple[float, Callable[[list[torch.nn.Parameter]], object]]] = {
    "heavy ball": (0.9, lambda p: dx.optim.HeavyBall(p, 0.01, 0.9)),
    "relativistic, order 1": (
        0.9,
        lambda p: dx.optim.RelativisticGradientDescent(p, 0.1, 0.9, 2.0, order=1),
    ),
    "relativistic, order 2, α = 1": (
        0.9,
        lambda p: dx.optim.RelativisticGradientDescent(p, 0.1, 0.9, 2.0),
    ),
    "Hamiltonian descent, explicit 1": (
        1 / 1.15,
        lambda p: dx.optim.HamiltonianDescent(p, 0.1, 1.5),
    ),
    "Hamiltonian descent, explicit 2": (
        0.85,
        lambda p: dx.optim.HamiltonianDescent(p, 0.1, 1.5, method="explicit-2"),
    ),
}


def defect(name: str) -> float:
    """Return the largest entry of DᵀJD - cJ at points of the camelback function."""
    factor, build = FACTORS[name]
    optimizer = build([torch.nn.Parameter(torch.tensor(_START, dtype=torch.float64))])
    step = optimizer.step_map(camelback_energy)  # type: ignore[attr-defined]
    form = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    form = torch.kron(form, torch.eye(2, dtype=torch.float64))
    generator, found = torch.Generator().manual_seed(0), []
    for x in torch.randn(8, 4, dtype=torch.float64, generator=generator):
        d = torch.autograd.functional.jacobian(lambda y, step=step: step(y[None])[0], x)
        found.append(float((d.T @ form @ d - factor * form).abs().max()))
    return maximum(found)
