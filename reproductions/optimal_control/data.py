"""Points of two classes in the plane, and in space."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

_WIDTH = 0.1  # of the densities along the radius
_GRID = 100  # values of a coordinate


class Points(NamedTuple):
    """Points and their classes.

    Example:
        >>> Points(torch.zeros(3, 2), torch.zeros(3)).x.shape
        torch.Size([3, 2])
    """

    x: Tensor  # (points, 2 or 3), float64
    c: Tensor  # (points,), 0.0 or 1.0


def donut_1d(count: int, generator: Generator) -> Points:
    """Return an interval between two others, on a line in the plane."""
    inner = math.ceil(count / 3)
    grid = torch.linspace(-1, 1, _GRID, dtype=torch.float64)
    line = torch.stack([grid, torch.zeros_like(grid)], dim=1)
    return _donut(line, inner, count - inner, generator)


def donut_2d(count: int, generator: Generator) -> Points:
    """Return a disc inside a ring."""
    inner = math.ceil(count / 2)
    grid = torch.linspace(-1, 1, _GRID, dtype=torch.float64)
    return _donut(torch.cartesian_prod(grid, grid), inner, count - inner, generator)


def squares(count: int, generator: Generator) -> Points:
    """Return points of a square, whose classes are the signs of x₁x₂."""
    x = 1.4 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 0.7
    return Points(_noisy(x, 0.1, generator), (x.prod(dim=1) > 0).double())


def spiral(count: int, generator: Generator) -> Points:
    """Return two arms of a spiral, each of one turn."""
    arms = []
    for phase, size in ((0.0, count // 2), (math.pi, count - count // 2)):
        r = torch.linspace(0.1, 1, size, dtype=torch.float64)
        a = torch.linspace(0.1, 2 * math.pi, size, dtype=torch.float64) + phase
        arms.append(torch.stack([r * a.cos(), r * a.sin()], dim=1))
    c = torch.cat([torch.full((len(arm),), float(k)) for k, arm in enumerate(arms)])
    return Points(_noisy(torch.cat(arms), 0.05, generator), c.double())


def ball_in_shell(count: int, generator: Generator) -> Points:
    """Return a ball inside a shell, in space."""
    directions = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    c = (torch.arange(count) < count // 2).double()
    radius = torch.where(c > 0, 0.2, 0.8)[:, None]
    x = radius * directions / directions.norm(dim=1, keepdim=True)
    return Points(_noisy(x, _WIDTH, generator), c)


PROBLEMS: dict[str, Callable[[int, Generator], Points]] = {
    "donut in 1-D": donut_1d,
    "donut in 2-D": donut_2d,
    "squares": squares,
    "spiral": spiral,
}


def _donut(grid: Tensor, inner: int, outer: int, generator: Generator) -> Points:
    """Return points of class 1 about 0, and of class 0 about the radius 0.5."""
    r = grid.norm(dim=1)
    draws = []
    for distance, size in ((r, inner), (r - 0.5, outer)):
        density = (-0.5 * (distance / _WIDTH).square()).exp()
        draws.append(grid[density.multinomial(size, replacement=True, generator=generator)])
    c = (torch.arange(inner + outer) < inner).double()
    return Points(_noisy(torch.cat(draws), 0.1, generator), c)


def _noisy(x: Tensor, size: float, generator: Generator) -> Tensor:
    return x + size * torch.randn(x.shape, generator=generator, dtype=x.dtype)
