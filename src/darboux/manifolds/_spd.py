"""Symmetric positive definite matrices, with four metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Generator, Tensor

from darboux.manifolds._analytic import Analytic
from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._island import island
from darboux.manifolds._manifold import safe_sqrt
from darboux.manifolds._matrix_functions import sym_expm, sym_funcm
from darboux.manifolds._spd_affine import AffineInvariant
from darboux.manifolds._spd_bures import BuresWasserstein
from darboux.manifolds._spd_log_cholesky import LogCholesky
from darboux.manifolds._spd_log_euclidean import LogEuclidean
from darboux.manifolds._spd_metric import SPDMetric, factor, sym
from darboux.manifolds._symmetric import spectrum
from darboux.structure._arguments import Count, checked

_METRICS: dict[str, SPDMetric] = {
    "affine": AffineInvariant(),
    "log-euclidean": LogEuclidean(),
    "log-cholesky": LogCholesky(),
    "bures": BuresWasserstein(),
}


@final
@checked
@dataclass(frozen=True)
class SPD(HomogeneousSpace):
    """Symmetric positive definite n x n matrices.

    The metrics, and the maps under which they stay the same:

    - "affine", tr(x⁻¹ u x⁻¹ v): all of GL(n), x -> a x aᵀ, and inversion;
    - "log-euclidean", flat in log x: rotations, scalings and inversion;
    - "log-cholesky", flat in the Cholesky factor and the log of its diagonal: reflections and
      the stretching of the first axis; the cheapest, and it depends on the order of the axes;
    - "bures", ½ tr(Z u) with xZ + Zx = v: rotations; the optimal transport distance of normal
      distributions. Geodesics end at singular matrices, and `exp` raises there. Its `transport`
      is not parallel.

    GL(n) acts by exp(ξ) x exp(ξ)ᵀ, whatever the metric, and the generator of v is v x⁻¹ / 2; in
    the affine-invariant metric exp(t v x⁻¹ / 2)·x is the geodesic.

    Shapes: points, tangent vectors and elements of the algebra are (*batch, n, n).

    Source: section 2.3; Pennec, Fillard and Ayache 2006; Arsigny et al. 2007; Lin 2019; Bhatia,
    Jain and Lim 2019.

    Args:
        n: the number of rows.
        metric: "affine", "log-euclidean", "log-cholesky" or "bures".

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if n isn't positive, or the metric is unknown.

    Example:
        >>> import torch, darboux as dx
        >>> spd = dx.manifolds.SPD(2)
        >>> x, y = torch.eye(2), torch.tensor([[4.0, 0.0], [0.0, 1.0]])
        >>> spd.geodesic(x, y, 0.5)
        tensor([[2., 0.],
                [0., 1.]])
    """

    n: Count
    metric: Literal["affine", "log-euclidean", "log-cholesky", "bures"] = "affine"

    @property
    def _metric(self) -> SPDMetric:
        return _METRICS[self.metric]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, n)."""
        return (self.n, self.n)

    @property
    def algebra(self) -> tuple[int, ...]:
        """(n, n): all matrices."""
        return (self.n, self.n)

    @property
    def dim(self) -> int:
        """The number n (n + 1) / 2."""
        return self.n * (self.n + 1) // 2

    @property
    def flat(self) -> bool:
        """Whether the metric is log-Euclidean or log-Cholesky."""
        return self._metric.flat

    @property
    def parallel(self) -> bool:
        """Whether transport is parallel: not so for "bures"."""
        return self._metric.parallel

    @property
    def injectivity(self) -> float:
        """Infinity; 0 for "bures", because singular matrices are at any distance."""
        return math.inf if self._metric.complete else 0.0

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return the asymmetry relative to the largest entry; plus 1 or more if not positive."""
        size = x.abs().amax((-2, -1))
        least = spectrum(x)[0][0]
        unit = size + (size == 0).to(x.dtype)
        skew = (x - x.mT).abs().amax((-2, -1)) / unit
        return skew + torch.where(least > 0, 0 * least, 1 - least / unit)

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return the symmetric part with eigenvalues raised to rounding of the largest entry."""
        size = x.detach().abs().amax((-2, -1), keepdim=True)
        unit = size + (size == 0).to(x.dtype)
        return unit * sym_funcm(x / unit, _raised(16 * self.n * torch.finfo(x.dtype).eps))

    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return the symmetric part of u."""
        return torch.broadcast_tensors(x, sym(u))[1]

    @island
    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return the inner product of the metric."""
        return self._metric.inner(x, u, v)

    def coordinates(self, x: Tensor) -> Tensor:
        """Return coordinates (*batch, dim) in which a flat metric is that of R^dim.

        They are the lower triangle of log x, row by row with √2 off the diagonal, or of the
        Cholesky factor, with the logarithm of its diagonal.

        Raises:
            TypeError: if the metric isn't flat.
        """
        self._require_flat()
        rows, columns = torch.tril_indices(self.n, self.n)
        entries = self._metric.chart(x)[..., rows, columns]
        return self._lengths(rows, columns).to(entries) * entries

    def from_coordinates(self, c: Tensor) -> Tensor:
        """Return the points with these coordinates.

        Raises:
            TypeError: if the metric isn't flat.
        """
        self._require_flat()
        rows, columns = torch.tril_indices(self.n, self.n)
        entries = c / self._lengths(rows, columns).to(c)
        places = torch.zeros(len(rows), self.n, self.n)
        places[torch.arange(len(rows)), rows, columns] = 1
        chart = (entries @ places.to(c).flatten(1)).unflatten(-1, self.shape)
        return self._metric.unchart(chart)

    def _lengths(self, rows: Tensor, columns: Tensor) -> Tensor:
        lengths = torch.ones(len(rows), dtype=torch.float64)
        return lengths.masked_fill_(rows != columns, self._metric.below)

    def _require_flat(self) -> None:
        if not self.flat:
            msg = (
                f"{self}: expected a flat metric, which alone has coordinates of that kind; use "
                "metric='log-euclidean' or 'log-cholesky'."
            )
            raise TypeError(msg)

    @island
    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the end of the geodesic that leaves x with velocity v.

        Raises:
            ValueError: if x isn't positive definite, or the geodesic ends before ("bures").
        """
        return self._metric.exp(x, v)

    @island
    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the velocity at x of the geodesic to y.

        Raises:
            ValueError: if x or y isn't positive definite.
        """
        return self._metric.log(x, y)

    @island
    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the geodesic distance."""
        return safe_sqrt(self._metric.dist2(x, y))

    @island
    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return its square."""
        return self._metric.dist2(x, y)

    @island
    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the Riemannian gradient of a function with partial derivatives g."""
        return sym(self._metric.gradient(x, sym(g)))

    @island
    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v + v x⁻¹ v / 2, of second order in the affine-invariant metric."""
        half = torch.linalg.solve_triangular(factor(x), v, upper=False)
        return x + v + half.mT @ half / 2

    @island
    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return v brought to y along the geodesic."""
        return self._metric.transport(x, y, v)

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return exponentials of symmetric matrices with normally distributed entries."""
        size = (*batch, self.n, self.n)
        entries = torch.randn(*size, generator=generator, dtype=dtype, device=device)
        return sym_expm(entries / math.sqrt(2))

    @island
    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return exp(ξ) x exp(ξ)ᵀ."""
        left = torch.linalg.matrix_exp(xi.contiguous())
        return sym(left @ x @ left.mT)

    def killing(self, xi: Tensor) -> Tensor:
        """Return the part of ξ whose motion keeps distances in the metric."""
        return self._metric.killing(xi)

    @island
    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return ξ x + x ξᵀ."""
        half = xi @ x
        return half + half.mT

    @island
    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return v x⁻¹ / 2."""
        lower = factor(x)
        half = torch.linalg.solve_triangular(lower, v.mT, upper=False)
        return torch.linalg.solve_triangular(lower.mT, half, upper=True).mT / 2


def _raised(floor: float) -> Analytic:
    """Return x -> max(x, floor)."""

    def pair(a: Tensor, b: Tensor) -> Tensor:
        equal = (a == b).to(a.dtype)
        slope = (b.clamp(min=floor) - a.clamp(min=floor)) / (b - a + equal)
        return slope + equal * (a > floor).to(a.dtype)

    def taylor(x: Tensor, k: int) -> Tensor:
        return x.clamp(min=floor) if k == 0 else (x > floor).to(x.dtype) * (k == 1)

    return Analytic("nearest", lambda x: x.clamp(min=floor), taylor, pair)
