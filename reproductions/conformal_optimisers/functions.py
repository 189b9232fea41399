"""The functions that are minimised: values, slopes, and where it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Point = Sequence[Tensor]


@dataclass(frozen=True)
class Function:
    """A function of one or more tensors, which are stepped in turn, each by itself."""

    name: str
    start: Point
    value: Callable[[Point], Tensor]
    slope: Callable[[Point, int], Tensor]  # in one of the tensors
    steps: int  # to look at
    goal: float  # a value that counts as the minimum


def camelback_value(x: Tensor, y: Tensor) -> Tensor:
    """Return V(x, y), with the global minimum 0 at 0 and two others."""
    return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2


def camelback(steps: int) -> Function:
    """Return the function of Figure 4."""

    def slope(point: Point, k: int) -> Tensor:
        x, y = point[k].unbind()
        return torch.stack([4 * x - 4.2 * x**3 + x**5 + y, x + 2 * y])

    start = torch.tensor([-0.5, 0.8], dtype=torch.float64)
    return Function(
        "camelback", [start], lambda p: camelback_value(*p[0].unbind()), slope, steps, 1e-8
    )


def correlated_quadratic(generator: torch.Generator, *, size: int = 50) -> Function:
    """Return xᵀQx/2 with Q_ij = 0.95^|i-j|."""
    places = torch.arange(size, dtype=torch.float64)
    q = 0.95 ** (places[:, None] - places).abs()
    start = 10 * torch.randn(size, dtype=torch.float64, generator=generator)
    return Function(
        "correlated quadratic",
        [start],
        lambda p: p[0] @ q @ p[0] / 2,
        lambda p, k: q @ p[k],
        1000,
        1e-12,
    )


def rosenbrock(*, size: int = 100) -> Function:
    """Return Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)², from -2, 2, -2, ...."""

    def value(point: Point) -> Tensor:
        head, tail = point[0][:-1], point[0][1:]
        return (100 * (tail - head**2) ** 2 + (1 - head) ** 2).sum()

    def slope(point: Point, k: int) -> Tensor:
        head, tail = point[k][:-1], point[k][1:]
        bend, out = tail - head**2, torch.zeros_like(point[k])
        out[:-1] = -400 * head * bend - 2 * (1 - head)
        out[1:] += 200 * bend
        return out

    start = torch.tensor([-2.0, 2.0], dtype=torch.float64).repeat(size // 2)
    return Function("Rosenbrock", [start], value, slope, 2000, 1e-12)


def matrix_completion(generator: torch.Generator, *, size: int = 100, rank: int = 5) -> Function:
    """Return ‖P(UVᵀ - M)‖²/2, M of low rank and P the three tenths of its entries that are seen.

    U and V are stepped in turn.
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    left, right = 1 + 2 * normal(size, rank), 1 + 2 * normal(size, rank)
    m = left @ right.mT
    seen = (torch.rand(size, size, generator=generator) < 0.3).double()

    def value(point: Point) -> Tensor:
        u, v = point
        return (seen * (u @ v.mT - m)).square().sum() / 2

    def slope(point: Point, k: int) -> Tensor:
        u, v = point
        rest = seen * (u @ v.mT - m)
        return rest @ v if k == 0 else rest.mT @ u

    start = [normal(size, rank), normal(size, rank)]
    return Function("matrix completion", start, value, slope, 400, 1e-12 * float(value(start)))


def suite(generator: torch.Generator) -> list[Function]:
    """Return the functions of the comparison."""
    return [correlated_quadratic(generator), rosenbrock(), matrix_completion(generator)]
