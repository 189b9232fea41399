"""What is measured of the tracks of one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean, stdev

import torch
from torch import Tensor

from darboux.transport import (
    geodesic_deviation,
    kinetic_energy,
    line_shape,
    transport_score,
)

_CLOUD = 100  # points of the distances along depth


@dataclass(frozen=True)
class Measured:
    """Medians over samples of single tracks, and scores of the whole cloud."""

    score: float  # line-shape score
    chance: float  # √K, of independent steps
    shuffled: float  # the score of the same layers in a random order
    angle: float  # between successive steps, in radians
    cost: float  # the three transport scores
    match: float
    gain: float
    spacings: float  # by how many spacings samples move
    energy: float  # kinetic energy / squared displacement, at least 1
    length: float  # of the curve of clouds / the distance of its ends, at least 1
    deviation: Sequence[float]  # from the geodesic / the distance of its ends, layer by layer

    @property
    def straight(self) -> float:
        """The line-shape score as a share of that of independent steps."""
        return self.score / self.chance


def measured(states: Tensor) -> Measured:
    """Return what is measured of states (K+1, samples, features)."""
    shape = line_shape(states, generator=torch.Generator().manual_seed(0))
    whole = transport_score(states[0], states[-1])
    straight = (states[-1] - states[0]).square().sum(dim=1).mean()
    curve = geodesic_deviation(states[:, :_CLOUD])
    return Measured(
        score=float(shape.score.median()),
        chance=float(shape.random_walk.median()),
        shuffled=float(shape.shuffled.median()),
        angle=float(shape.turning_angle.median()),
        cost=whole.cost,
        match=whole.match,
        gain=whole.gain,
        spacings=whole.displacement / whole.spacing,
        energy=float(kinetic_energy(states).mean() / straight),
        length=curve.length / curve.distance,
        deviation=(curve.deviation / curve.distance).tolist(),
    )


@dataclass(frozen=True)
class Mean:
    """A mean with its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ± {self.error:.2f}"


def mean(values: Sequence[float]) -> Mean:
    """Return the mean of independent runs, and its standard error; NaN of none or of NaN."""
    if not values or any(map(isnan, values)):
        return Mean(nan, nan)
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Mean(fmean(values), error)
