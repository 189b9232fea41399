"""Synthetic data: points of two half-moons, volumes of ellipsoids."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


_ROUND, _LONG = (1, 2)  # the classes; 0 is what is around them

_BRIGHTNESS = 0.5


def ellipsoids(
    count: int,
    *,
    size: Sequence[int],
    objects: int = 6,
    length: float | None = None,
    noise: float = 0.1,
    bias: float = 0.3,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw noisy volumes of round and long ellipsoids, and the class of every voxel.

    Round ones (class 1) have semi-axes that differ by a third at most; long ones (class 2), like
    pieces of vessels, one axis four times the others or more. Both have the same brightness, so
    shape alone tells them apart; a smooth bias field and noise hide both. Where two overlap, the
    later one is seen.

    Shapes: volumes (count, 1, *size), float32; classes (count, *size), int64 in {0, 1, 2}.

    Args:
        count: volumes.
        size: of a volume, two or three axes, 8 voxels at least along each.
        objects: in each volume, half of them long (the odd one is round).
        length: the unit of semi-axes, in voxels: round ones have 0.12 to 0.16 of it, long ones
            0.055 to 0.075 and 0.3 to 0.4; the shortest axis of the volume if None.
        noise: standard deviation of white noise; objects are 0.5 brighter than their surround.
        bias: the largest deviation of the bias field, which multiplies the volume, from 1.
        generator: of the random numbers; torch's own if None.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> volumes, classes = ellipsoids(
        ...     2, size=(16, 16, 16), generator=torch.Generator().manual_seed(0)
        ... )
        >>> volumes.shape, classes.shape, classes.unique().tolist()
        (torch.Size([2, 1, 16, 16, 16]), torch.Size([2, 16, 16, 16]), [0, 1, 2])
    """
    size = tuple(size)
    unit = min(size) if length is None else length
    _check_ranges(count, size, objects, unit, noise, bias)
    grid = _grid(size)
    volumes, classes = [], []
    for _ in range(count):
        truth = _classes(grid, objects, unit, generator)
        clean = 0.25 + _BRIGHTNESS * (truth > 0)
        field = 1 + bias * _smooth(grid, size, generator)
        volumes.append(clean * field + noise * torch.randn(size, generator=generator))
        classes.append(truth)
    return torch.stack(volumes)[:, None], torch.stack(classes)


def _check_ranges(
    count: int, size: tuple[int, ...], objects: int, length: float, noise: float, bias: float
) -> None:
    if count < 1 or objects < 1 or len(size) not in (2, 3) or min(size) < 8:
        raise ValueError(
            "ellipsoids: expected at least one volume and one object, and two or three axes of 8 "
            f"voxels or more; got count={count}, objects={objects}, size={size}."
        )
    if not (math.isfinite(length) and length > 0 and math.isfinite(noise) and noise >= 0):
        raise ValueError(
            "ellipsoids: expected a length > 0 and a noise level >= 0; got "
            f"length={length:g}, noise={noise:g}."
        )
    if not 0 <= bias < 1:
        raise ValueError(f"ellipsoids: expected a bias in [0, 1); got bias={bias:g}.")


def _grid(size: tuple[int, ...]) -> Tensor:
    """Return the coordinates of all voxels, (*size, axes), in units of voxels."""
    axes = [torch.arange(n, dtype=torch.float32) for n in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def _classes(
    grid: Tensor, objects: int, length: float, generator: torch.Generator | None
) -> Tensor:
    truth = torch.zeros(grid.shape[:-1], dtype=torch.int64)
    for k in range(objects):
        kind = _LONG if k % 2 else _ROUND
        truth[_inside(grid, kind, length, generator)] = kind
    return truth


def _inside(grid: Tensor, kind: int, length: float, generator: torch.Generator | None) -> Tensor:
    """Return where |D⁻¹Rᵀ(x - c)| <= 1, with semi-axes D and a random rotation R."""
    *size, dim = grid.shape
    # the centre stays away from the faces, by the radius of a round one
    room = torch.tensor(size, dtype=torch.float32) - 1
    margin = (0.16 * length / room).clamp(max=0.5)
    centre = room * (margin + (1 - 2 * margin) * torch.rand(dim, generator=generator))
    u = torch.rand(dim, generator=generator)
    if kind == _ROUND:
        semiaxes = length * (0.12 + 0.04 * u)
    else:
        semiaxes = length * (0.055 + 0.02 * u)
        semiaxes[0] = length * (0.3 + 0.1 * u[0])
    turn, _ = torch.linalg.qr(torch.randn(dim, dim, generator=generator))
    return ((grid - centre) @ turn / semiaxes).square().sum(dim=-1) <= 1


def _smooth(grid: Tensor, size: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """Return a wave of random direction and phase, in [-1, 1], about a volume long."""
    dim = len(size)
    direction = torch.randn(dim, generator=generator)
    direction = direction / direction.norm() / torch.tensor(size)
    phase = 2 * math.pi * torch.rand((), generator=generator)
    return torch.sin(2 * math.pi * (grid @ direction) + phase)
