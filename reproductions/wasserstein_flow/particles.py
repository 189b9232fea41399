"""Two-layer ReLU networks as measures of particles, and their flows towards a teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.optim import WassersteinFlow


@dataclass(frozen=True)
class Measure:
    """The network x -> Σ_j w_j c_j max(⟨a_j, x⟩, 0), float64."""

    a: Tensor  # (J, d)
    c: Tensor  # (J,)
    w: Tensor  # masses, (J,)

    @property
    def points(self) -> Tensor:
        """The particles θ_j = (a_j, c_j), (J, d + 1)."""
        return torch.cat([self.a, self.c[:, None]], dim=1)

    @property
    def imbalance(self) -> Tensor:
        """‖a_j‖² - c_j² in units of the mean of ‖θ‖², (J,)."""
        squares = self.a.square().sum(dim=1) - self.c.square()
        return squares / self.points.square().sum(dim=1).mean()


@dataclass(frozen=True)
class Flowed:
    """What a flow was seen to do."""

    losses: Tensor  # before each step, and at the end, (steps + 1,)
    path: Sequence[Tensor]  # particles before some of the steps, and at the end
    end: Measure


def diverse(count: int, features: int, generator: torch.Generator) -> Measure:
    """Return balanced particles |c| = ‖a‖ = 1 in random directions, half of them with c < 0."""
    a = torch.randn(count, features, generator=generator, dtype=torch.float64)
    c = 1.0 - 2.0 * (torch.arange(count, dtype=torch.float64) % 2)
    return Measure(a / a.norm(dim=1, keepdim=True), c, torch.full_like(c, 1 / count))


def concentrated(count: int, features: int, generator: torch.Generator) -> Measure:
    """Return balanced particles near one point, with c = 1."""
    spread = 0.1 * torch.randn(count, features, generator=generator, dtype=torch.float64)
    a = spread + torch.eye(features, dtype=torch.float64)[0]
    c = torch.ones(count, dtype=torch.float64)
    return Measure(a / a.norm(dim=1, keepdim=True), c, c / count)


def risk(student: Measure, teacher: Measure) -> Tensor:
    """Return E = ½ E_x (f(x) - f*(x))² of x ~ N(0, 1), exactly, ()."""
    a = torch.cat([student.a, teacher.a])
    weights = torch.cat([student.w * student.c, -teacher.w * teacher.c])
    return 0.5 * weights @ _kernel(a) @ weights


def _kernel(a: Tensor) -> Tensor:
    """Return E_x max(⟨a_i, x⟩, 0) max(⟨a_j, x⟩, 0) of x ~ N(0, 1): Cho and Saul 2009."""
    norm = a.norm(dim=1)
    size = torch.outer(norm, norm)
    cosine = a @ a.T / size.clamp(min=1e-300)
    # the derivative (π - φ)/2π of the angular part is regular at φ = 0, where that of φ is not
    at = cosine.detach().clamp(-1, 1)
    angle = math.pi - at.acos()
    value = (1 - at.square()).sqrt() + angle * at
    return size * (value + angle * (cosine - at)) / (2 * math.pi)


def flowed(
    start: Measure,
    teacher: Measure,
    *,
    rate: float,
    steps: int,
    balanced: bool = True,
    transport: float = 1.0,
    reaction: float = 0.0,
    seen: int = 0,
) -> Flowed:
    """Return the flow (62) of the risk, with masses that change if there is a reaction."""
    a, c, w = (nn.Parameter(x.clone()) for x in (start.a, start.c, start.w))
    student = Measure(a, c, w)
    flow = WassersteinFlow(
        [a, c, w],
        rate,
        roles=("incoming", "outgoing", "mass"),
        balanced=balanced,
        transport=transport,
        reaction=reaction,
    )
    losses, path = [], []
    for step in range(steps):
        flow.zero_grad()
        loss = risk(student, teacher)
        losses.append(loss.detach())
        if seen and step % max(1, steps // seen) == 0:
            path.append(student.points.detach().clone())
        loss.backward()
        flow.step()
    end = Measure(a.detach(), c.detach(), w.detach())
    return Flowed(torch.stack([*losses, risk(end, teacher)]), [*path, end.points], end)
