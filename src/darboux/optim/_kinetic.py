"""Kinetic energies T(p) that depend on the length of the momentum alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, NoReturn, final

import torch
from torch import Tensor

from darboux.structure._arguments import Positive, Within, checked


class Kinetic(ABC):
    """A kinetic energy T(p) of s = ‖p‖², whose velocity is ∇T(p) = factor(s) p.

    The norm is taken over all parameters of a group. T is convex, and least at p = 0.

    Source: section 6.1, equation (56).
    """

    @classmethod
    def from_argument(cls, value: object) -> NoReturn:
        """Say where they are."""
        msg = "Use darboux.optim.QuadraticKinetic(), RelativisticKinetic() or PowerKinetic(2, 1)."
        raise TypeError(msg)

    @abstractmethod
    def energy(self, square: Tensor) -> Tensor:
        """Return T for s = ‖p‖²."""

    @abstractmethod
    def factor(self, square: Tensor) -> Tensor:
        """Return 2 dT/ds, by which the momentum is multiplied to become a velocity."""


@final
@checked
@dataclass(frozen=True)
class QuadraticKinetic(Kinetic):
    """Newton's kinetic energy T(p) = ‖p‖²/2m, with velocity p/m.

    Source: section 6.1, equation (55).

    Args:
        mass: m.

    Raises:
        ValueError: if the mass is not positive.

    Example:
        >>> import torch, darboux as dx
        >>> dx.optim.QuadraticKinetic(mass=2.0).energy(torch.tensor(4.0))
        tensor(1.)
    """

    mass: Positive = 1.0

    def energy(self, square: Tensor) -> Tensor:
        """Return T."""
        return square / (2 * self.mass)

    def factor(self, square: Tensor) -> Tensor:
        """Return 1/m."""
        return torch.full_like(square, 1 / self.mass)


@final
@checked
@dataclass(frozen=True)
class RelativisticKinetic(Kinetic):
    """Einstein's kinetic energy T(p) = c √(‖p‖² + m²c²) - mc²; no velocity is faster than c.

    (57) of the paper with √(‖p‖² + ε) is c = 1, m = √ε, but for a constant.

    Source: section 6.1, equation (57); França, Sulam, Robinson and Vidal 2020.

    Args:
        mass: m, at rest.
        speed: c, of light.

    Raises:
        ValueError: if one of them is not positive.

    Example:
        >>> import torch, darboux as dx
        >>> light = dx.optim.RelativisticKinetic(mass=1.0, speed=2.0)
        >>> p = torch.tensor([3e4, 4e4])
        >>> round((light.factor(p.square().sum()) * p).norm().item(), 3)
        2.0
    """

    mass: Positive = 1.0
    speed: Positive = 1.0

    def energy(self, square: Tensor) -> Tensor:
        """Return T, without cancellation for small momenta."""
        rest = self.mass * self.speed
        return self.speed * square / ((square + rest**2).sqrt() + rest)

    def factor(self, square: Tensor) -> Tensor:
        """Return c/√(s + m²c²)."""
        return self.speed * (square + (self.mass * self.speed) ** 2).rsqrt()


_Near = Annotated[float, Within("a number above 1", above=1)]
_Far = Annotated[float, Within("a number of 1 or more", least=1)]


@final
@checked
@dataclass(frozen=True)
class PowerKinetic(Kinetic):
    """The power law T(p) = ((1 + ‖p‖^a)^(b/a) - 1)/b: like ‖p‖^a/a near 0, like ‖p‖^b/b far away.

    Hamiltonian descent converges linearly where T fits the function: one that grows with the
    power B > 1 around its minimum wants a = B/(B - 1), and the same holds for b far away. a = b is
    the pure power ‖p‖^b/b; (2, 2) is `QuadraticKinetic`, (2, 1) `RelativisticKinetic`.

    Source: Maddison, Paulin, Teh, O'Donoghue and Doucet 2018, Hamiltonian descent methods.

    Args:
        near: a > 1.
        far: b >= 1.

    Raises:
        ValueError: if an exponent is smaller.

    Example:
        >>> import torch, darboux as dx
        >>> quartic = dx.optim.PowerKinetic(4 / 3, 4 / 3)  # for functions like x⁴
        >>> round(quartic.energy(torch.tensor(8.0) ** 2).item(), 4)  # 3/4 · 8^(4/3)
        12.0
    """

    near: _Near = 2.0
    far: _Far = 1.0

    def energy(self, square: Tensor) -> Tensor:
        """Return T, without cancellation for small momenta."""
        power = self._safe(square) ** (self.near / 2)
        grown = torch.expm1(self.far / self.near * torch.log1p(power)) / self.far
        return torch.where(square > 0, grown, torch.zeros_like(grown))

    def factor(self, square: Tensor) -> Tensor:
        """Return ‖p‖^(a-2) (1 + ‖p‖^a)^(b/a-1), a finite number where p = 0."""
        square = self._safe(square)
        bent = (1 + square ** (self.near / 2)) ** (self.far / self.near - 1)
        return square ** (self.near / 2 - 1) * bent

    @staticmethod
    def _safe(square: Tensor) -> Tensor:
        return torch.where(square > 0, square, torch.ones_like(square))
