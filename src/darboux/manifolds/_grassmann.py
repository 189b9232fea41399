"""Subspaces, by orthonormal bases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from darboux.linear._orthonormal import rotated, rotated_exp
from darboux.manifolds._domain import within
from darboux.manifolds._island import island
from darboux.manifolds._manifold import safe_sqrt
from darboux.manifolds._orthonormal import polar
from darboux.manifolds._stiefel import Field, OrthonormalColumns, Retraction
from darboux.structure._arguments import Count, checked

# the positive nodes of Gauss and Legendre on [-1, 1], and their weights
_GAUSS = tuple((float(s), float(w)) for s, w in zip(*leggauss(24), strict=True) if s > 0)


@final
@checked
@dataclass(frozen=True)
class Grassmann(OrthonormalColumns):
    """The p-dimensional subspaces of R^n or C^n; a point is any orthonormal basis of one.

    The metric is <u, v> = Re tr(uᴴv) of horizontal tangent vectors, xᴴv = 0. `dist` is the root
    of the sum of the squared angles between two subspaces, whatever their bases; `exp` and
    `retract` return some basis, `log` the horizontal vector at the given basis, and the cut
    locus are the pairs with a right angle. Exponential and retractions take n p² + p³ operations.

    Shapes: points and tangent vectors are (*batch, n, p), complex for field "complex"; elements
    of the algebra are (*batch, n, n).

    Source: section 6.2.1; Edelman, Arias and Smith 1998; Bendokat, Zimmermann and Absil 2024.

    Args:
        n: the dimension of the space.
        p: the dimension of the subspaces, at most n.
        field: "real" or "complex".
        retraction: how `retract` moves points: "cayley", "exp", "polar" or "qr".

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if p > n, or a number isn't positive.

    Example:
        >>> import math, torch, darboux as dx
        >>> planes = dx.manifolds.Grassmann(3, 2)
        >>> x = torch.eye(3)[:, :2]
        >>> float(planes.dist(x, -x.flip(1)))  # the same plane
        0.0
    """

    n: Count
    p: Count
    field: Field = "real"
    retraction: Retraction = "cayley"

    @property
    def dim(self) -> int:
        """p(n - p), twice that for complex ones."""
        return self.p * (self.n - self.p) * (1 if self.field == "real" else 2)

    @property
    def injectivity(self) -> float:
        """π/2."""
        return math.pi / 2

    @island
    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - x xᴴu, the horizontal part."""
        return u - x @ (x.mH @ u)

    @island
    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return Re tr(uᴴv)."""
        del x
        return (u.conj() * v).sum((-2, -1)).real

    @island
    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return expm(v xᴴ - x vᴴ) x."""
        return rotated_exp(x, v)

    @island
    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the horizontal velocity at the basis x of the shortest geodesic to y.

        Raises:
            ValueError: if a direction of one subspace is orthogonal to the other one.
        """
        v, angles = self._any_log(x, y)[0], _angles(x, y)
        return within(v, _acute(angles), self._orthogonal)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance, also at the cut locus, where its derivative is 0."""
        return safe_sqrt(self.dist2(x, y))

    @island
    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return its square."""
        v, angles = self._any_log(x, y)[0], _angles(x, y)
        return torch.where(_acute(angles), self.inner(x, v, v), (angles**2).sum(-1))

    @island
    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return expm(W) v for the skew W that takes x to y, in the basis y: parallel."""
        log, turn = self._any_log(x, y)
        log = within(log, _acute(_angles(x, y)), self._orthogonal)
        return rotated(x, log, v) @ turn

    def _any_log(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithm, and the unitary q such that y q⁻¹ is aligned with x."""
        product = x.mH @ y
        eye = torch.eye(self.p, dtype=product.dtype, device=product.device)
        acute = _acute(_angles(x, y))[..., None, None]
        turn = polar(torch.where(acute, product, eye))
        aligned = y @ turn.mH
        cosine = x.mH @ aligned
        # tan(θ/2) = sin θ / (1 + cos θ) is at most 1, which arctan needs below
        half = (aligned - x @ cosine) @ torch.linalg.inv_ex(eye + (cosine + cosine.mH) / 2)[0]
        return 2 * _arctan(half), turn

    def _orthogonal(self) -> str:
        return (
            f"{self}.log: expected no subspaces with a right angle between them; got some, which "
            "more than one shortest geodesic joins. Go there by a point in between."
        )


def _angles(x: Tensor, y: Tensor) -> Tensor:
    """Return the angles between subspaces, for their values alone."""
    product = (x.mH @ y).detach()
    cosines = torch.linalg.svdvals(product)
    sines = torch.linalg.svdvals(y.detach() - x.detach() @ product).flip(-1)
    return torch.atan2(sines, cosines)


def _acute(angles: Tensor) -> Tensor:
    """Return whether all angles are below π/2, up to rounding."""
    away = math.pi / 2 - angles.amax(-1)
    return ~(away <= 8 * angles.shape[-1] * torch.finfo(angles.dtype).eps)


def _arctan(t: Tensor) -> Tensor:
    """Return U arctan(Σ) Vᴴ of t = U Σ Vᴴ with singular values of at most 1."""
    # t ∫ (1 + s² tᴴt)⁻¹ ds over [0, 1]: analytic in t, and exact to rounding by this quadrature
    gram = t.mH @ t
    eye = torch.eye(gram.shape[-1], dtype=t.dtype, device=t.device)
    terms = (w * torch.linalg.inv_ex(eye + s * s * gram)[0] for s, w in _GAUSS)
    return t @ sum(terms, torch.zeros_like(gram))
