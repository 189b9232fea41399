"""Real spherical harmonics, and a quadrature of the sphere."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from darboux.structure._arguments import Within, checked, shown

_Degree = Annotated[int, Within("a degree from 0 to 256", least=0, most=256)]

_Exactness = Annotated[int, Within("a degree from 0 to 1024", least=0, most=1024)]


@checked
def spherical_harmonics(degree: _Degree, points: Tensor) -> Tensor:
    """Return Y_l(x), an orthonormal basis of the harmonic polynomials of degree l on the sphere.

    ∫ Y_lm Y_lm' dx = δ_mm' over the unit sphere, and Σ_m Y_lm(x)² = (2l + 1)/4π everywhere.
    The pole is the second axis, so that Y_1(x) = √(3/4π) x; m runs from -l to l, and m = 0 is
    the one that rotations about the second axis leave.

    Shapes: points are (count, 3), the values (count, 2l + 1).

    Source: Press et al. 2007, Numerical Recipes, section 6.7 (the recurrence).

    Args:
        degree: l, from 0 to 256.
        points: unit vectors.

    Raises:
        TypeError: if the degree is no integer, or the points are no tensor.
        ValueError: if the degree is out of range, or the points are no unit vectors of space.

    Example:
        >>> x = torch.tensor([[0.6, 0.0, 0.8]], dtype=torch.float64)
        >>> (spherical_harmonics(1, x) * (4 * math.pi / 3) ** 0.5).round(decimals=9)
        tensor([[0.6000, 0.0000, 0.8000]], dtype=torch.float64)
    """
    _check(points)
    third, pole, first = points[:, 2], points[:, 1], points[:, 0]
    around = torch.complex(third, first)
    columns: dict[int, Tensor] = {}
    for m in range(degree + 1):
        profile = _profile(degree, m, pole)
        if m == 0:
            columns[0] = profile
            continue
        wave = math.sqrt(2) * profile * around**m
        columns[m], columns[-m] = wave.real, wave.imag
    return torch.stack([columns[m] for m in range(-degree, degree + 1)], dim=1)


def _profile(degree: int, m: int, pole: Tensor) -> Tensor:
    """Return the normalised Legendre function of degree l and order m over (1 - t²)^(m/2)."""
    start = math.sqrt((2 * m + 1) / (4 * math.pi))
    for k in range(1, m + 1):
        start *= math.sqrt((2 * k - 1) / (2 * k))
    before, here = torch.zeros_like(pole), torch.full_like(pole, start)
    for k in range(m + 1, degree + 1):
        a = math.sqrt((4 * k * k - 1) / (k * k - m * m))
        b = math.sqrt(((k - 1) ** 2 - m * m) / (4 * (k - 1) ** 2 - 1)) if k > m + 1 else 0.0
        before, here = here, a * (pole * here - b * before)
    return here


def _check(points: Tensor) -> None:
    """Refuse points that have no harmonics."""
    if points.ndim != 2 or points.shape[1] != 3 or not points.is_floating_point():
        msg = f"spherical_harmonics: expected real points (count, 3); got {shown(points)}."
        raise ValueError(msg)
    off = (points.norm(dim=1) - 1).abs().max() if len(points) else torch.zeros((), device="cpu")
    if not float(off) <= 1e-4:
        msg = (
            "spherical_harmonics: expected unit vectors; got norms that are off by "
            f"{float(off):.3g}. Divide the points by their norms."
        )
        raise ValueError(msg)


@checked
@lru_cache(maxsize=64)
def sphere_quadrature(degree: _Exactness) -> tuple[Tensor, Tensor]:
    """Return points and weights that integrate polynomials up to a degree exactly.

    Gauss's nodes along the second axis times equal angles about it.

    Shapes: points are (count, 3), weights (count,), float64; the weights add to 4π.

    Source: Atkinson and Han 2012, Spherical Harmonics, section 5.3 (product formulas).

    Args:
        degree: of the polynomials, from 0 to 1024.

    Raises:
        TypeError: if the degree is no integer.
        ValueError: if it is out of range.

    Example:
        >>> points, weights = sphere_quadrature(2)
        >>> round(float((weights * points[:, 0] ** 2).sum() * 3 / (4 * math.pi)), 9)
        1.0
    """
    points, weights = sphere_nodes(degree // 2 + 1, degree + 1)
    return points.flatten(0, 1), weights.flatten()


@lru_cache(maxsize=32)
def sphere_nodes(latitudes: int, longitudes: int) -> tuple[Tensor, Tensor]:
    """Return unit vectors (latitudes, longitudes, 3), Gauss's nodes along the pole, and weights."""
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(latitudes))
    angles = torch.arange(longitudes, dtype=torch.float64, device="cpu") * (
        2 * math.pi / longitudes
    )
    radius = (1 - nodes.square()).sqrt()
    third, first = torch.outer(radius, angles.cos()), torch.outer(radius, angles.sin())
    points = torch.stack([first, nodes[:, None].expand_as(first), third], dim=2)
    each = (weights * (2 * math.pi / longitudes))[:, None].expand_as(first)
    return points, each.contiguous()
