"""The standard map as two additive couplings, its orbits and what they do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from darboux.bijections import AdditiveCoupling, Chain
from darboux.fields import SeparableHamiltonianField

TURN = 2 * math.pi
CRITICAL = 0.971635406  # where the last curve from side to side breaks: Greene 1979


@final
class Kick(nn.Module):
    """f(z) = K sin z."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, z: Tensor) -> Tensor:
        """Return f."""
        return self.strength * z.sin()


def standard_map(strength: float) -> Chain:
    """Return (z, p) -> (z + p', p'), p' = p + K sin z: two shears.

    Source: section 2.2.3; Chirikov 1979.

    Example:
        >>> x = torch.tensor([[1.0, 0.5]])
        >>> standard_map(0.0)(x)
        tensor([[1.5000, 0.5000]])
    """
    return Chain([AdditiveCoupling(Kick(strength)), AdditiveCoupling(nn.Identity(), swap=True)])


def kicked_rotor(strength: float) -> SeparableHamiltonianField:
    """Return the field of H = p²/2 + K cos z, of which the map is a step with h = 1."""
    return SeparableHamiltonianField(
        lambda t, p: 0.5 * p.square().sum(dim=1),
        lambda t, z: strength * z.cos().sum(dim=1),
        autonomous=True,
        even_kinetic=True,
    )


@torch.no_grad()
def orbits(strength: float, starts: Tensor, *, steps: int) -> Tensor:
    """Return the orbits of points, (steps + 1, points, 2); angles z stay in [0, 2π)."""
    step, found = standard_map(strength), [starts]
    for _ in range(steps):
        found.append(wrapped(step(found[-1])))
    return torch.stack(found)


def wrapped(x: Tensor) -> Tensor:
    """Return points with z in [0, 2π), where the map is the same."""
    return torch.stack([x[:, 0].remainder(TURN), x[:, 1]], dim=1)


def jacobian(strength: float, x: Tensor) -> Tensor:
    """Return the derivatives of the map, (points, 2, 2)."""
    step = standard_map(strength)
    found = torch.autograd.functional.jacobian(lambda y: step(y).sum(dim=0), x)
    return found.movedim(1, 0)


def lyapunov(strength: float, track: Tensor) -> Tensor:
    """Return the mean growth of log‖v‖ per step along orbits, (points,)."""
    v = torch.tensor([1.0, 0.5], dtype=torch.float64).expand(track.shape[1], 2)
    total = torch.zeros(track.shape[1], dtype=torch.float64)
    for x in track[:-1]:
        v = (jacobian(strength, x) @ v[:, :, None])[:, :, 0]
        size = v.norm(dim=1)
        total, v = total + size.log(), v / size[:, None]
    return total / (len(track) - 1)


@dataclass(frozen=True)
class Spread:
    """Momenta that a chaotic sea carries away."""

    strength: float  # K
    mean_squares: Tensor  # of p - p_0 after each step, (steps + 1,)

    @property
    def rate(self) -> float:
        """The mean square per step, over the second half of the time."""
        half = len(self.mean_squares) // 2
        return float(self.mean_squares[-1] - self.mean_squares[half]) / (
            len(self.mean_squares) - 1 - half
        )

    @property
    def predicted(self) -> float:
        """K²/2 (1 - 2J₂ - 2J₁² + 2J₂² + 2J₃²), Bessel functions at K: Rechester and White 1980."""
        one, two, three = (bessel(n, self.strength) for n in (1, 2, 3))
        return self.strength**2 / 2 * (1 - 2 * two - 2 * one**2 + 2 * two**2 + 2 * three**2)


def spread(strength: float, *, points: int, steps: int, generator: torch.Generator) -> Spread:
    """Return how momenta spread from p = 0 and random angles."""
    z = TURN * torch.rand(points, generator=generator, dtype=torch.float64)
    track = orbits(strength, torch.stack([z, torch.zeros_like(z)], dim=1), steps=steps)
    return Spread(strength, track[:, :, 1].square().mean(dim=1))


def crossed(strengths: Sequence[float], *, points: int, steps: int) -> dict[float, float]:
    """Return by K the farthest way of a momentum that begins near the unstable point, in 2π."""
    found = {}
    for strength in strengths:
        z = 1e-3 * torch.arange(1, points + 1, dtype=torch.float64)
        track = orbits(strength, torch.stack([z, torch.zeros_like(z)], dim=1), steps=steps)
        found[strength] = float(track[:, :, 1].abs().max()) / TURN
    return found


def bessel(order: int, x: float) -> float:
    """Return J_n(x) = (1/π) ∫ cos(ns - x sin s) ds over [0, π].

    Example:
        >>> round(bessel(0, 2.404825557695773), 12) + 0.0
        0.0
    """
    s = math.pi * (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    return float((order * s - x * s.sin()).cos().mean())
