"""Kinetic energy of tracks, and how far they are from a Wasserstein geodesic along depth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import Positive, checked
from darboux.transport._states import points_of, precision_of, rounding_of, track_of
from darboux.transport._wasserstein import distance, pairing


@checked
def kinetic_energy(trajectory: Tensor, *, horizon: Positive = 1.0) -> Tensor:
    """Return the kinetic energy of every sample, K/T Σ_k ‖z_{k+1} - z_k‖².

    That is ∫ ‖ż‖² dt over [0, T] for K steps of equal duration. It is at least
    ‖z_K - z_0‖²/T, with equality where the track is straight and its steps equal; and the mean over
    samples is at least W₂²/T between the first layer's features and the last one's, with equality
    where they also move as optimal transport does (Benamou and Brenier).

    Shapes: trajectory is (K+1, batch, *features); the result is (batch,), in its precision, at
    least single, with gradients: its mean can be a regulariser. `control.KineticEnergy` is the same
    for flows with steps of their own.

    Source: Benamou and Brenier 2000; Karkar et al. 2020.

    Args:
        trajectory: states of the layers, the input first.
        horizon: the time T that all layers take together.

    Raises:
        TypeError: if the trajectory is no tensor of real floating-point numbers.
        ValueError: if it has no two states, or no axis of features.

    Example:
        >>> import torch
        >>> times = torch.linspace(0, 1, 6)[:, None, None]
        >>> end = torch.tensor([[3.0, 4.0]])
        >>> kinetic_energy(times * end), kinetic_energy(times.square() * end)
        (tensor([25.]), tensor([33.]))
    """
    steps = track_of("kinetic_energy", trajectory).diff(dim=0)
    energy = steps.square().sum(dim=(0, 2)) * (len(steps) / horizon)
    return energy.to(precision_of(trajectory))


@final
@dataclass(frozen=True)
class GeodesicDeviation:
    """Distances between the layers' features and a Wasserstein geodesic, and its length.

    Example:
        >>> import torch, darboux as dx
        >>> x = torch.randn(50, 2)
        >>> line = x + torch.linspace(0, 1, 5)[:, None, None] * x
        >>> found = dx.transport.geodesic_deviation(line)
        >>> abs(found.length / found.distance - 1) < 1e-6
        True
    """

    times: Tensor  # t_0 = 0, ..., t_K = 1
    deviation: Tensor  # W₂ between the features of each layer and the geodesic at its time, (K+1,)
    distance: float  # W₂ between the first features and the last: the length of the geodesic
    length: float  # Σ_k W₂ between the features of layers k and k+1, at least the distance

    @property
    def relative(self) -> float:
        """The largest deviation as a share of the distance."""
        return float(self.deviation.max()) / self.distance if self.distance else float("nan")


@checked
def geodesic_deviation(trajectory: Tensor, *, times: Tensor | None = None) -> GeodesicDeviation:
    """Return how far the features of every layer are from the geodesic between first and last.

    The geodesic from μ_0 to μ_K, the clouds of features of the first layer and the last one, is
    γ(t) = {(1 - t) x_i + t y_σ(i)} with the optimal pairing σ. Along it the continuity equation
    holds with the least kinetic energy. The result compares μ_k with γ(t_k), t_k = k/K: zero for
    all k where the network is a geodesic of constant speed. `length` / `distance` is 1 on a
    geodesic whatever the speed. Which sample is where does not count, only the clouds.

    It solves 2K assignments, each cubic in the number of samples at worst; a few hundred samples
    tell enough.

    Shapes: trajectory is (K+1, count, *features), 2 to 5000 samples.

    Source: Benamou and Brenier 2000; McCann 1997; Gai and Zhang 2021.

    Args:
        trajectory: states of the layers, the input first.
        times: t_0 = 0 <= ... <= t_K = 1, if not k/K.

    Raises:
        TypeError: if the trajectory is no tensor of real floating-point numbers.
        ValueError: if it has no two states, fewer than 2 samples or too many, a feature is not
            finite, or times are not such.

    Example:
        >>> import torch, darboux as dx
        >>> x = torch.randn(100, 2)
        >>> angles = torch.linspace(0, 3.1, 9)
        >>> c, s = angles.cos()[:, None], angles.sin()[:, None]
        >>> turning = torch.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], dim=-1)
        >>> found = dx.transport.geodesic_deviation(turning)
        >>> found.length / found.distance > 1.2
        True
    """
    states = track_of("geodesic_deviation", trajectory).detach()
    clouds = [points_of("geodesic_deviation", each, least=2) for each in states]
    at, rounding = _times(times, states), rounding_of(trajectory)
    ends = _aligned(clouds[0], clouds[-1], rounding)
    deviation = [
        distance(z, _aligned(z, torch.lerp(clouds[0], ends, t), rounding))
        for z, t in zip(clouds, at, strict=True)
    ]
    lengths = [distance(z, _aligned(z, after, rounding)) for z, after in pairwise(clouds)]
    return GeodesicDeviation(
        times=at,
        deviation=torch.stack(deviation).to(precision_of(trajectory)),
        distance=float(distance(clouds[0], ends)),
        length=float(torch.stack(lengths).sum()),
    )


def _aligned(x: Tensor, y: Tensor, rounding: float) -> Tensor:
    """Return the points of y in the order of their partners in x."""
    return y[pairing("geodesic_deviation", x, y, rounding)[1]]


def _times(times: Tensor | None, states: Tensor) -> Tensor:
    if times is None:
        return torch.linspace(0, 1, len(states), dtype=states.dtype, device=states.device)
    found = times.to(states)
    ordered = found.shape == states.shape[:1] and bool((found.diff() >= 0).all())
    if not ordered or found[0] != 0 or found[-1] != 1:
        msg = (
            f"geodesic_deviation: expected times 0 = t_0 <= ... <= t_K = 1, {len(states)} of them; "
            f"got {times.tolist()}."
        )
        raise ValueError(msg)
    return found
