"""Problems on phase space with known solutions, for the order of symplectic methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.integrators import StepSize, Time

Slope = Callable[[Time, Tensor, Tensor], Tensor]

Solution = Callable[[float], Tensor]


@dataclass(frozen=True)
class PhaseProblem:
    """A field on phase space with one position and momentum or more, and a solution x(t)."""

    drift: Slope
    kick: Slope
    solution: Solution
    separable: bool = True
    autonomous: bool = False

    def __call__(self, t: Time, x: Tensor) -> Tensor:
        """Return f(t, x)."""
        z, p = x.chunk(2, dim=1)
        return torch.cat([self.drift(t, z, p), self.kick(t, z, p)], dim=1)

    def parts(self) -> tuple[_ProblemPart, _ProblemPart]:
        """Return the two shears."""
        return _ProblemPart(self, drifts=True), _ProblemPart(self, drifts=False)


@dataclass(frozen=True)
class _ProblemPart:
    """One shear of a separable problem."""

    problem: PhaseProblem
    drifts: bool

    def flow(self, t: Time, h: StepSize, x: Tensor) -> Tensor:
        """Return the shear."""
        z, p = x.chunk(2, dim=1)
        if self.drifts:
            return torch.cat([z + h * self.problem.drift(t, z, p), p], dim=1)
        return torch.cat([z, p + h * self.problem.kick(t, z, p)], dim=1)


def linear_problem() -> PhaseProblem:
    """Return ż = Mp, ṗ = -Kz with M and K that do not commute, and the matrix exponential."""
    mass = torch.tensor([[1.0, 0.4], [0.4, 0.7]], dtype=torch.float64)
    stiffness = torch.tensor([[2.0, -0.5], [-0.5, 0.8]], dtype=torch.float64)
    zero = torch.zeros(2, 2, dtype=torch.float64)
    matrix = torch.cat([torch.cat([zero, mass], 1), torch.cat([-stiffness, zero], 1)])
    start = torch.tensor([[0.6, -0.3, 0.2, 0.9]], dtype=torch.float64)
    return PhaseProblem(
        drift=lambda t, z, p: p @ mass,
        kick=lambda t, z, p: -z @ stiffness,
        solution=lambda t: start @ torch.linalg.matrix_exp(t * matrix).T,
        autonomous=True,
    )


def forced_problem() -> PhaseProblem:
    """Return H = p²/2 + p⁴/8 - cos z + w(t) p - u(t) z, forced along a chosen solution."""
    return PhaseProblem(
        drift=lambda t, z, p: p + 0.5 * p**3 + _speed(t) - _momentum(t) - 0.5 * _momentum(t) ** 3,
        kick=lambda t, z, p: -z.sin() + _force(t) + _position(t).sin(),
        solution=_solution,
    )


def coupled_problem() -> PhaseProblem:
    """Return H = (z² + 1)(p² + 1)/2 + w(t) p - u(t) z, which does not separate, likewise."""

    def drift(t: Time, z: Tensor, p: Tensor) -> Tensor:
        return (z**2 + 1) * p + _speed(t) - (_position(t) ** 2 + 1) * _momentum(t)

    def kick(t: Time, z: Tensor, p: Tensor) -> Tensor:
        return -z * (p**2 + 1) + _force(t) + _position(t) * (_momentum(t) ** 2 + 1)

    return PhaseProblem(drift, kick, _solution, separable=False)


def _solution(t: float) -> Tensor:
    return torch.stack([_position(t), _momentum(t)]).reshape(1, 2)


def _time(t: Time) -> Tensor:
    return torch.as_tensor(t, dtype=torch.float64)


def _position(t: Time) -> Tensor:
    return (1.3 * _time(t) + 0.4).sin()


def _speed(t: Time) -> Tensor:
    return 1.3 * (1.3 * _time(t) + 0.4).cos()


def _momentum(t: Time) -> Tensor:
    return 0.7 * (0.9 * _time(t)).cos()


def _force(t: Time) -> Tensor:
    return -0.63 * (0.9 * _time(t)).sin()
