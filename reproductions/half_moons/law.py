"""The exact law of the two half-moons: what every flow is measured against."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from darboux.data import half_moons

_NODES = 256  # of the integral over an arc, far more than rounding needs


@dataclass(frozen=True)
class Law:
    """The density p(x) = 1/2 Σ_arcs 1/π ∫_0^π N(x; c(θ), σ²I) dθ of noisy half-circles.

    They have the radius 2 and the noise σ = 1/5: `darboux.data.half_moons` with noise 1/10,
    times 2, plus (-1, -1/5). The integral is by Gauss and Legendre.

    Source: section 4.2.3; Chen et al. 2019, whose experiments have this scale.
    """

    scale: float = 2.0  # what the points of `half_moons` are multiplied with
    shift: tuple[float, float] = (-1.0, -0.2)  # what is added
    noise: float = 0.1  # of `half_moons`, before scaling

    @property
    def sigma(self) -> float:
        """σ, the noise after scaling."""
        return self.scale * self.noise

    def sample(self, count: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return independent points, (count, 2), float32."""
        points = half_moons(count, noise=self.noise, generator=generator)
        return self.scale * points + torch.tensor(self.shift)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), (batch,), float64."""
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        arcs = self.arcs(torch.from_numpy((nodes + 1) * math.pi / 2)).reshape(-1, 2)
        # weights sum to 2 on each of the arcs
        logs = torch.from_numpy(weights / 4).log().repeat(2)
        normal = -math.log(2 * math.pi * self.sigma**2)
        # in pieces: every point has a distance to every node
        found = [
            torch.logsumexp(logs - _squares(part, arcs) / (2 * self.sigma**2), dim=1)
            for part in x.double().split(10_000)
        ]
        return torch.cat(found) + normal

    def arcs(self, angle: Tensor) -> Tensor:
        """Return the points of both arcs at angles in [0, π], (2, angles, 2), float64."""
        upper = torch.stack([angle.cos(), angle.sin()], dim=1).double()
        both = torch.stack([upper, upper.new_tensor([1.0, 0.5]) - upper])
        return self.scale * both + both.new_tensor(self.shift)

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance to the nearer arc, (batch,), float64."""
        unit = (x.double() - x.new_tensor(self.shift, dtype=torch.float64)) / self.scale
        other = unit.new_tensor([1.0, 0.5]) - unit
        return self.scale * torch.minimum(_to_upper(unit), _to_upper(other))

    def between(self, x: Tensor) -> Tensor:
        """Return whether points lie between the moons, (batch,).

        That is: farther than 3σ from both arcs, and in the smallest box around the arcs.
        """
        ends = self.arcs(torch.tensor([0.0, math.pi / 2, math.pi], dtype=torch.float64))
        low, high = ends.reshape(-1, 2).amin(dim=0), ends.reshape(-1, 2).amax(dim=0)
        inside = ((x.double() >= low) & (x.double() <= high)).all(dim=1)
        return inside & (self.distance(x) > 3 * self.sigma)

    def segment(self, count: int) -> Tensor:
        """Return points from the middle of one arc to that of the other, (count, 2), float32."""
        first, last = self.arcs(torch.tensor([math.pi / 2], dtype=torch.float64))[:, 0]
        share = torch.linspace(0, 1, count, dtype=torch.float64)[:, None]
        return (first + share * (last - first)).float()


def _squares(x: Tensor, nodes: Tensor) -> Tensor:
    """Return squared distances, without the cancellation of the expanded square."""
    return (x[:, None, :] - nodes).square().sum(dim=2)


def _to_upper(x: Tensor) -> Tensor:
    """Return the distance to the upper half of the unit circle."""
    to_circle = (x.norm(dim=1) - 1).abs()
    ends = torch.stack([(x - x.new_tensor([end, 0.0])).norm(dim=1) for end in (-1.0, 1.0)])
    return torch.where(x[:, 1] >= 0, to_circle, ends.amin(dim=0))
