"""Samples on the sphere, and the harmonic transform between them and coefficients."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.linear._sizes import affordable
from darboux.structure._arguments import Count, Natural, checked
from darboux.symmetry._groups.harmonics import sphere_nodes, spherical_harmonics


@final
class SphereGrid:
    """Gauss-Legendre latitudes times equispaced longitudes: exact up to a degree.

    With L the degree, L + 1 latitudes and 2L + 1 longitudes integrate products of two
    harmonics of degree at most L exactly. So for band-limited signals x = Σ_lm c_lm Y_lm

        analysis(x) = c,   synthesis(c) = x,   ‖c‖² = ‖x‖_w² = Σ_p w_p x(p)²,

    to rounding, with the quadrature weights w; for others analysis is the orthogonal projection
    in that norm. More latitudes and longitudes represent the same signals on a finer
    grid, for what is not band-limited in between.

    The harmonics are those of `spherical_harmonics`: l² + l + m is the place of Y_lm, and the
    pole is the second axis. Grids are immutable, and equal where their sizes are.

    Shapes: x is (batch, channels, latitudes, longitudes), c is (batch, channels, (L+1)²).

    Source: section 5.1.1, S² = SO(3)/SO(2); Driscoll and Healy 1994 for the transform.

    Args:
        degree: L >= 0.
        latitudes: at least L + 1, and that many by default.
        longitudes: at least 2L + 1, and that many by default.

    Raises:
        TypeError: if a size is no integer.
        ValueError: if one is too small for the degree, or the matrix of all harmonics would have
            more than 2^26 entries, as those of a default grid have for L > 75.

    Example:
        >>> import torch
        >>> grid = SphereGrid(2)
        >>> c = torch.randn(1, 1, 9, dtype=torch.float64)
        >>> torch.testing.assert_close(grid.analysis(grid.synthesis(c)), c)
    """

    @checked
    def __init__(
        self, degree: Natural, *, latitudes: Count | None = None, longitudes: Count | None = None
    ) -> None:
        self.degree = degree
        self.latitudes = _at_least("latitudes", latitudes, degree + 1, degree)
        self.longitudes = _at_least("longitudes", longitudes, 2 * degree + 1, degree)
        entries = self.size * self.latitudes * self.longitudes
        affordable("SphereGrid", "harmonics on the grid", entries, "Use a smaller degree.")
        harmonics = _harmonics(degree, *self.shape)
        # float64 whatever becomes of the module around; cast to what comes in.
        self._synthesis = harmonics.T.contiguous()
        self._analysis = harmonics * self.weights().reshape(-1, 1)

    @property
    def shape(self) -> tuple[int, int]:
        """The latitudes and longitudes."""
        return (self.latitudes, self.longitudes)

    @property
    def size(self) -> int:
        """The number of coefficients, (L+1)²."""
        return (self.degree + 1) ** 2

    def points(self) -> Tensor:
        """Return the unit vectors of the grid, (latitudes, longitudes, 3), float64."""
        return sphere_nodes(*self.shape)[0]

    def weights(self) -> Tensor:
        """Return the quadrature weights, (latitudes, longitudes), float64; they add to 4π."""
        return sphere_nodes(*self.shape)[1]

    def analysis(self, x: Tensor) -> Tensor:
        """Return c_lm = Σ_p w_p Y_lm(p) x(p).

        Raises:
            ValueError: if x is not sampled on this grid.
        """
        self.check(x)
        return x.flatten(2) @ self._analysis.to(x)

    def synthesis(self, c: Tensor) -> Tensor:
        """Return x(p) = Σ_lm c_lm Y_lm(p).

        Raises:
            ValueError: if the number of coefficients is another one.
        """
        if c.ndim != 3 or c.shape[2] != self.size:
            msg = (
                f"Expected coefficients (batch, channels, {self.size}) of degree {self.degree}; "
                f"got shape {tuple(c.shape)}."
            )
            raise ValueError(msg)
        return (c @ self._synthesis.to(c)).unflatten(2, self.shape)

    def norm(self, x: Tensor) -> Tensor:
        """Return ‖x‖_w over channels and points, (batch,)."""
        self.check(x)
        return (self.weights().to(x) * x.square()).flatten(1).sum(dim=1).sqrt()

    def finer(self, factor: float) -> SphereGrid:
        """Return the grid of the same degree with more samples on both axes.

        Raises:
            ValueError: if the factor is smaller than 1.
        """
        if not factor >= 1:
            msg = f"SphereGrid: expected a factor >= 1; got {factor}. Use, for instance, 2."
            raise ValueError(msg)
        sizes = [math.ceil(factor * n) for n in self.shape]
        return SphereGrid(self.degree, latitudes=sizes[0], longitudes=sizes[1])

    def check(self, x: Tensor) -> None:
        """Refuse a tensor that is not sampled on this grid.

        Raises:
            ValueError: if the shape is another one.
        """
        if x.ndim != 4 or tuple(x.shape[2:]) != self.shape:
            msg = (
                f"Expected samples (batch, channels, {self.latitudes}, {self.longitudes}) on the "
                f"sphere; got shape {tuple(x.shape)}. Sample at grid.points()."
            )
            raise ValueError(msg)

    def __eq__(self, other: object) -> bool:
        """Return whether degree and sizes are equal."""
        return isinstance(other, SphereGrid) and self._key() == other._key()

    def __hash__(self) -> int:
        """Return a hash of degree and sizes."""
        return hash(self._key())

    def __repr__(self) -> str:
        """Return degree and sizes."""
        return (
            f"SphereGrid({self.degree}, latitudes={self.latitudes}, longitudes={self.longitudes})"
        )

    def _key(self) -> tuple[int, int, int]:
        return (self.degree, self.latitudes, self.longitudes)


def _at_least(name: str, count: int | None, least: int, degree: int) -> int:
    found = least if count is None else count
    if found < least:
        msg = (
            f"SphereGrid: expected at least {least} {name} for degree {degree}; got {found}: with "
            "fewer the quadrature is not exact. Use more, or a smaller degree."
        )
        raise ValueError(msg)
    return found


@lru_cache(maxsize=32)
def _harmonics(degree: int, latitudes: int, longitudes: int) -> Tensor:
    points = sphere_nodes(latitudes, longitudes)[0].reshape(-1, 3)
    return torch.cat([spherical_harmonics(each, points) for each in range(degree + 1)], dim=1)
