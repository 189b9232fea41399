"""One step of a conformal Hamiltonian system as data: friction, one kick, and drifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.integrators import Rattle
from darboux.manifolds import CotangentBundle
from darboux.optim._kinetic import Kinetic


@final
@dataclass(frozen=True)
class Scheme:
    """p' = c p - k ∇f(x), then x' = x + Σ d(t, r, p') with drifts d(t, r, p) = t ∇T(r p).

    The kick comes first, so that a step needs the gradient where the parameters are, and no
    closure. It is conformal symplectic: friction multiplies the form dx ∧ dp by c, kick and
    drifts keep it. That ends where a share of the drift that ended the last step, with the
    momentum p before the kick, is taken back.
    """

    damping: float  # c
    kick: float  # k
    drifts: tuple[tuple[float, float], ...]  # (t, r)
    taken_back: float = 0.0

    @property
    def is_sgd(self) -> bool:
        """Whether it is a step of torch's SGD with momentum, if T is quadratic."""
        first, friction = self.drifts[0], self.damping
        plain = self.drifts == ((first[0], 1.0),) and self.taken_back == 0
        ahead = self.drifts == ((first[0], 1.0), (first[0], friction)) and self.taken_back == 1
        return self.kick == 1 and friction > 0 and (plain or ahead)

    def drift(self, kinetic: Kinetic, square: Tensor) -> Tensor:
        """Return a with Σ d = a p, for ‖p‖² = square."""
        each = [t * r * kinetic.factor(r**2 * square) for t, r in self.drifts]
        return torch.stack(each).sum(dim=0)

    def returned(self, kinetic: Kinetic, square: Tensor) -> Tensor:
        """Return b with b p what is taken back."""
        time, damping = self.drifts[-1]
        return self.taken_back * time * damping * kinetic.factor(damping**2 * square)


@final
@dataclass(frozen=True)
class Free:
    """Motion without forces on a manifold."""

    manifold: CotangentBundle

    def force(self, q: Tensor) -> Tensor:
        """Return 0."""
        return torch.zeros_like(q)

    def moved(self, q: Tensor, p: Tensor, time: float) -> tuple[Tensor, Tensor]:
        """Return position and momentum after a step of RATTLE with mass 1."""
        x = Rattle().step(self, 0.0, time, self.manifold.join(q, p))
        return self.manifold.halves(x)
