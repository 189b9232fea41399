"""Matrices with orthonormal columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Generator, Tensor

from darboux.linear._orthonormal import factor, gram_defect, polish, rotated_exp
from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._island import island
from darboux.manifolds._orthonormal import (
    Metric,
    polar,
    qr_factor,
    stiefel_cayley,
    stiefel_exp,
    stiefel_project,
)
from darboux.manifolds._stiefel_log import nearby_log, solved
from darboux.solvers import ConvergenceError
from darboux.structure._arguments import Count, checked

Field = Literal["real", "complex"]
Retraction = Literal["cayley", "exp", "polar", "qr"]


class OrthonormalColumns(HomogeneousSpace):
    """What Stiefel and Grassmann manifolds share: n x p matrices with xᴴx = 1."""

    n: int
    p: int
    field: Field
    retraction: Retraction

    def __post_init__(self) -> None:
        """Refuse more columns than rows."""
        if self.p > self.n:
            name = type(self).__name__
            msg = (
                f"{name}: expected p <= n, for p orthonormal columns of length n; got n={self.n}, "
                f"p={self.p}. Use {name}({self.p}, {self.n}) and transpose."
            )
            raise ValueError(msg)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, p)."""
        return (self.n, self.p)

    @property
    def algebra(self) -> tuple[int, ...]:
        """(n, n): skew-Hermitian matrices."""
        return (self.n, self.n)

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return the norm of xᴴx - 1."""
        return torch.linalg.matrix_norm(gram_defect(x))

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return the polar factor of x.

        Raises:
            ValueError: if the columns are linearly dependent.
        """
        return polar(x)

    @island
    def polish(self, x: Tensor) -> Tensor:
        """Return x after one step of Newton and Schulz."""
        return polish(x)

    @island
    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the point that the chosen retraction gives."""
        if self.retraction == "exp":
            return self.exp(x, v)
        if self.retraction == "cayley":
            return stiefel_cayley(x, v)
        return polar(x + v) if self.retraction == "polar" else qr_factor(x + v)

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return uniformly distributed points."""
        dtype = torch.get_default_dtype() if dtype is None else dtype
        dtype = dtype.to_complex() if self.field == "complex" else dtype
        size = (*batch, self.n, self.p)
        return qr_factor(torch.randn(*size, generator=generator, dtype=dtype, device=device))

    @island
    def project_algebra(self, xi: Tensor) -> Tensor:
        """Return (ξ - ξᴴ)/2."""
        return (xi - xi.mH) / 2

    @island
    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return expm(ξ) x."""
        return torch.linalg.matrix_exp(xi.contiguous()) @ x

    @island
    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return ξ x."""
        return xi @ x

    @island
    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return b xᴴ - x bᴴ with b = v - x xᴴv/2."""
        product = factor(x, v) @ x.mH
        return product - product.mH

    @island
    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """Return expm(ξ) x with the generator ξ of v, in n p² + p³."""
        return rotated_exp(x, factor(x, v))


@final
@checked
@dataclass(frozen=True)
class Stiefel(OrthonormalColumns):
    """The n x p matrices with orthonormal columns, xᴴx = 1, on which rotations act.

    With the Euclidean metric <u, v> = Re tr(uᴴv), or the canonical one
    <u, v> = Re tr(uᴴ(1 - x xᴴ/2) v). Exponential and retractions take n p² + p³ operations. The
    logarithm is found by iteration, with exact derivatives of first and second order; there is
    no closed form. Where it finds none `dist` raises, too, and `torch.func.vmap` over both is
    refused: use the batch. `transport` is the projection onto the other tangent space, not
    parallel.

    Shapes: points and tangent vectors are (*batch, n, p), complex for field "complex"; elements
    of the algebra are (*batch, n, n).

    Source: section 6.2.1; Edelman, Arias and Smith 1998; Zimmermann and Hüper 2022.

    Args:
        n: the number of rows.
        p: the number of columns, at most n. Stiefel(n, n) is all orthogonal matrices.
        metric: "euclidean" or "canonical".
        field: "real" or "complex".
        retraction: how `retract` moves points: "cayley", "exp", "polar" or "qr".

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if p > n, or a number isn't positive.

    Example:
        >>> import torch, darboux as dx
        >>> frames = dx.manifolds.Stiefel(4, 2)
        >>> x = frames.nearest(torch.tensor([[1.0, 2.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]))
        >>> frames.check(frames.retract(x, frames.project(x, torch.ones(4, 2))))
        (True, '')
    """

    n: Count
    p: Count
    metric: Metric = "euclidean"
    field: Field = "real"
    retraction: Retraction = "cayley"

    @property
    def dim(self) -> int:
        """The number np - p(p + 1)/2, and 2np - p² for complex ones."""
        n, p = self.n, self.p
        return n * p - p * (p + 1) // 2 if self.field == "real" else 2 * n * p - p * p

    @property
    def injectivity(self) -> float:
        """A lower bound: π, and π√(4/5) for the canonical metric; over √2 for complex ones."""
        real = math.pi if self.metric == "euclidean" else math.pi * 0.8**0.5
        return real if self.field == "real" else real / 2**0.5

    @property
    def parallel(self) -> bool:
        """False."""
        return False

    @island
    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - x sym(xᴴu)."""
        return stiefel_project(x, u)

    @island
    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return Re tr(uᴴv), or Re tr(uᴴ(1 - x xᴴ/2) v)."""
        product = (u.conj() * v).sum((-2, -1)).real
        if self.metric == "euclidean":
            return product
        return product - ((x.mH @ u).conj() * (x.mH @ v)).sum((-2, -1)).real / 2

    @island
    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the projection of g, or g - x gᴴx."""
        return self.project(x, g) if self.metric == "euclidean" else g - x @ (g.mH @ x)

    @island
    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the end of the geodesic, in n p² + p³."""
        return stiefel_exp(x, v, metric=self.metric)

    @island
    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the velocity at x of a geodesic to y, the shortest one if they are near.

        It is the solution of exp(x, v) = y by Newton's method.

        Raises:
            ValueError: if the iteration finds none, as for points of two components or far away.
        """
        x, y = torch.broadcast_tensors(x, y)
        batch = x.shape[:-2]
        x, y = (z.reshape(math.prod(batch), *self.shape) for z in (x, y))
        try:
            guess = nearby_log(x.detach(), y.detach(), self.metric)
            v = solved(x, y, self.metric, guess, context=f"{self}.log")
        except ConvergenceError as error:
            raise ValueError(self._far()) from error
        missed = torch.linalg.matrix_norm((self.exp(x, v) - y).detach())
        if not bool((missed <= 1e-2).all()):
            raise ValueError(self._far())
        return v.reshape(*batch, *self.shape)

    @island
    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return v, projected onto the tangent space at y."""
        del x
        return self.project(y, v)

    def _far(self) -> str:
        return (
            f"{self}.log: expected no points far from each other; found no geodesic between some, "
            "which are too far, or in two components. Go there by a point in between."
        )
