"""Pairs of points and how far a map pulls them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.certification._finding import Trial
from darboux.certification._problem import Problem, norms

_CLOSER = 4


@final
@dataclass(frozen=True)
class Pairs:
    """Pairs x, y with the quotients ‖φ(x) - φ(y)‖ / ‖x - y‖."""

    x: Tensor
    y: Tensor
    quotient: Tensor
    rounding: Tensor

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.quotient)

    @property
    def safe(self) -> Tensor:
        """The quotients less their rounding, (P,)."""
        return self.quotient - self.rounding

    def best(self, count: int) -> Pairs:
        """Return the `count` pairs with the largest quotients."""
        order = self.safe.argsort(descending=True)[:count]
        return Pairs(self.x[order], self.y[order], self.quotient[order], self.rounding[order])

    def join(self, other: Pairs) -> Pairs:
        """Return these pairs and others."""
        return Pairs(
            torch.cat([self.x, other.x]),
            torch.cat([self.y, other.y]),
            torch.cat([self.quotient, other.quotient]),
            torch.cat([self.rounding, other.rounding]),
        )

    def lost(self) -> int:
        """Return how many pairs had values that were not finite."""
        return int((self.quotient < 0).sum())

    def trial(
        self, problem: Problem, attack: str, samples: int, *, relative: float, claimed: float
    ) -> Trial:
        """Return the best pair as a trial; before it refutes, its rounding is looked at."""
        best = self.best(1)
        if float(best.safe[0]) > claimed:
            best = self.best(_CLOSER)._looked_at(problem).best(1)
        quotient, rounding = float(best.quotient[0]), float(best.rounding[0])
        evidence = {"x": best.x[0].clone(), "y": best.y[0].clone()}
        return Trial(attack, samples, quotient, rounding + relative * abs(quotient), evidence)

    def _looked_at(self, problem: Problem) -> Pairs:
        """Return the pairs with at least the rounding that was observed at their ends."""
        seen = problem.observed_rounding(self.x) + problem.observed_rounding(self.y)
        distance = norms(self.x - self.y)
        seen = torch.where(distance > 0, seen / distance.clamp(min=1e-300), seen)
        return Pairs(self.x, self.y, self.quotient, torch.maximum(self.rounding, seen))


def measure(problem: Problem, x: Tensor, y: Tensor) -> Pairs:
    """Return pairs with their quotients; fewer x than y are used over and over."""
    # The rounding of a quotient is that of the values, relative to the distance:
    # ε c K √n (‖φx‖ + ‖φy‖ + ‖x‖ + ‖y‖) / ‖x - y‖.
    a, b = problem(x), problem(y)
    copies = len(y) // len(x)
    x, a = x.repeat(copies, *(1,) * (x.ndim - 1)), a.repeat(copies, *(1,) * (a.ndim - 1))
    distance = norms(x - y)
    usable = distance > 0
    divisor = torch.where(usable, distance, torch.ones_like(distance))
    sizes = norms(a) + norms(b) + norms(x) + norms(y)
    quotient = norms(a - b) / divisor
    rounding = problem.target.rounding(problem.size) * sizes / divisor
    usable = usable & quotient.isfinite() & rounding.isfinite()
    lost = torch.full_like(quotient, -1.0)
    return Pairs(
        x.detach(),
        y.detach(),
        torch.where(usable, quotient, lost),
        torch.where(usable, rounding, torch.zeros_like(rounding)),
    )
