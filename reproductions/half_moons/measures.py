"""Measurements of a density that was learned from the two half-moons."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.bijections import Chain
from darboux.density import NormalizingFlow
from reproductions.common.tracks import Tracks
from reproductions.half_moons.law import Law

_PIECE = 20_000  # points at a time
_BOX = ((-5.0, 5.0), (-3.5, 4.0))  # ten σ around the arcs
_SEGMENT = 401
LogDensity = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Plane:
    """A grid of small cells, by whose centres densities are integrated."""

    cell: float  # the side of a cell

    @property
    def counts(self) -> tuple[int, int]:
        """Cells to the right and upwards."""
        (left, right), (low, high) = _BOX
        return round((right - left) / self.cell), round((high - low) / self.cell)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, lowest and highest, as pictures want it."""
        return (*_BOX[0], *_BOX[1])

    def points(self) -> Tensor:
        """Return the centres, (cells, 2), row by row from below, float32."""
        lines = [
            low + self.cell * (torch.arange(count, dtype=torch.float64) + 0.5)
            for (low, _), count in zip(_BOX, self.counts, strict=True)
        ]
        y, x = torch.meshgrid(lines[1], lines[0], indexing="ij")
        return torch.stack([x, y], dim=2).reshape(-1, 2).float()

    def integral(self, log_density: Tensor, where: Tensor | None = None) -> float:
        """Return the integral of a density over the grid, or over some of its cells."""
        density = log_density.double().exp()
        found = density if where is None else density[where]
        return float(found.sum()) * self.cell**2


@dataclass(frozen=True)
class Measured:
    """A learned density beside the exact one.

    Example:
        >>> found = measured(Law().log_prob, Law(), Law().sample(9), Plane(0.125))
        >>> found.gap, round(found.integral, 6)
        (0.0, 1.0)
    """

    nll: float  # mean of -log p(x) over the test points, in nats
    gap: float  # how much larger that is than for the exact density
    gap_error: float  # the standard error of the gap
    plane: Tensor  # log p at the centres of the grid
    integral: float  # of the density over the grid
    between: float  # the mass between the moons
    segment: Tensor  # log p along the segment between the moons


def measured(log_prob: LogDensity, law: Law, test: Tensor, plane: Plane) -> Measured:
    """Return what can be said about a density."""
    with torch.no_grad():
        own = log_prob(test).double()
        centres = plane.points()
        grid = torch.cat([log_prob(part) for part in centres.split(_PIECE)])
        segment = log_prob(law.segment(_SEGMENT))
    excess = law.log_prob(test) - own
    return Measured(
        nll=-float(own.mean()),
        gap=float(excess.mean()),
        gap_error=float(excess.std()) / math.sqrt(len(test)),
        plane=grid,
        integral=plane.integral(grid),
        between=plane.integral(grid, law.between(centres)),
        segment=segment.double(),
    )


def gaussian(points: Tensor) -> LogDensity:
    """Return the log-density of the normal law with the mean and covariance of points."""
    x = points.double()
    law = torch.distributions.MultivariateNormal(x.mean(dim=0), x.T.cov())
    return lambda y: law.log_prob(y.double())


@torch.no_grad()
def way(flow: NormalizingFlow, law: Law, x: Tensor) -> Tracks:
    """Return points on their way to noise, layer by layer; classes are the nearer arcs."""
    states, count = [x], 100
    assert isinstance(flow.bijection, Chain)
    for _, layer in flow.bijection.maps():
        states.append(layer(states[-1]))
    arcs = law.arcs(torch.linspace(0, math.pi, count)).reshape(-1, 2)
    return Tracks.of(torch.stack(states), torch.cdist(x.double(), arcs).argmin(dim=1) // count)
