"""The two half-moons: points about two interleaved half-circles."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def half_moons(
    count: int, *, noise: float = 0.1, generator: torch.Generator | None = None
) -> Tensor:
    """Return independent points c(θ) + σ ε near one of two half-circles, chosen by a coin.

    c(θ) is (cos θ, sin θ) or (1 - cos θ, 1/2 - sin θ), θ uniform in [0, π], and ε is standard
    normal. The half-circles are those of scikit-learn's ``make_moons``, which puts an equal
    number of points at equal angles instead. So here every point has the same density, a
    mixture of normal ones.

    Shapes: (count, 2), float32.

    Source: section 4.2.3, Figure 2.

    Args:
        count: how many points, >= 1.
        noise: σ >= 0.
        generator: the source of random numbers; torch's global one if None.

    Raises:
        ValueError: if there are no points, or the noise is negative.

    Example:
        >>> points = half_moons(1000, noise=0.0)
        >>> inner = 1 - points  # turns the lower half-circle to the upper one
        >>> radii = torch.minimum(
        ...     (points.norm(dim=1) - 1).abs(),
        ...     ((inner - torch.tensor([0.0, 0.5])).norm(dim=1) - 1).abs(),
        ... )
        >>> bool((radii < 1e-6).all())
        True
    """
    if count < 1 or not 0 <= noise < math.inf:
        msg = (
            "half_moons: expected count >= 1 and a finite noise >= 0; got "
            f"count={count}, noise={noise:g}. Use half_moons(1000, noise=0.1)."
        )
        raise ValueError(msg)
    angle = math.pi * torch.rand(count, generator=generator)
    lower = torch.rand(count, generator=generator) < 0.5
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    centre = torch.tensor([1.0, 0.5])
    points = torch.where(lower[:, None], centre - upper, upper)
    return points + noise * torch.randn(count, 2, generator=generator)
