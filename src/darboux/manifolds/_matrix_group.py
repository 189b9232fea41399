"""Groups of matrices, with exponential, logarithm and Cayley map of their algebras."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Generator, Tensor

from darboux.manifolds._domain import within
from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._island import island
from darboux.manifolds._logm import logm


class MatrixGroup(HomogeneousSpace):
    """A Lie group of m x m matrices, on which it acts itself by multiplication from the left.

    Points x and elements ξ of the algebra are matrices (*batch, m, m), tangent vectors x ξ. The
    metric is left-invariant, <u, v>_x = Re tr((x⁻¹u)ᴴ x⁻¹v), with weights where stated. `exp`
    and `log` are those of the group, exp(x, v) = x expm(x⁻¹v) = expm(v x⁻¹) x; where that isn't
    a geodesic of the metric, `geodesic_exp` says so, and `dist` is the length of the curve
    x expm(t ξ) from x to y, which bounds the geodesic distance.

    Source: sections 2.3 and 6.2.1.
    """

    @property
    @abstractmethod
    def side(self) -> int:
        """The number m of rows."""

    @abstractmethod
    def project_algebra(self, a: Tensor) -> Tensor:
        """Return the orthogonal projection of matrices onto the algebra."""

    @abstractmethod
    def basis(self) -> Tensor:
        """Return an orthonormal basis of the algebra, (dim, m, m)."""

    def weights(self, like: Tensor) -> Tensor | float:
        """Return the factors c of the entries of ξ in the metric."""
        del like
        return 1.0

    @abstractmethod
    def inverse(self, x: Tensor) -> Tensor:
        """Return x⁻¹."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(m, m)."""
        return (self.side, self.side)

    @property
    def algebra(self) -> tuple[int, ...]:
        """(m, m)."""
        return (self.side, self.side)

    @property
    def injectivity(self) -> float:
        """The number π: the imaginary parts of eigenvalues of ξ stay below it."""
        return math.pi

    @property
    def geodesic_exp(self) -> bool:
        """False: the metric isn't bi-invariant."""
        return False

    @property
    def parallel(self) -> bool:
        """False: tangent vectors are moved by multiplication from the left."""
        return False

    def identity(
        self,
        *batch: int,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return the unit matrix, (*batch, m, m)."""
        eye = torch.eye(self.side, dtype=self._dtype(dtype), device=device)
        return eye.expand(*batch, self.side, self.side).clone()

    @island
    def compose(self, x: Tensor, y: Tensor) -> Tensor:
        """Return x y."""
        return x @ y

    @island
    def adjoint(self, x: Tensor, xi: Tensor) -> Tensor:
        """Return Ad_x ξ = x ξ x⁻¹."""
        return x @ xi @ self.inverse(x)

    @island
    def hat(self, coordinates: Tensor) -> Tensor:
        """Return Σ c_k E_k in the orthonormal basis of the algebra, from (*batch, dim)."""
        basis = self.basis().to(coordinates.device, self._dtype(coordinates.dtype))
        return (coordinates.to(basis.dtype) @ basis.flatten(1)).unflatten(-1, self.shape)

    @island
    def vee(self, xi: Tensor) -> Tensor:
        """Return the coordinates (*batch, dim) of elements of the algebra, real ones."""
        basis = self.basis().to(device=xi.device, dtype=xi.dtype)
        return ((self.weights(xi) * xi).flatten(-2) @ basis.flatten(1).mH).real

    @island
    def expm(self, xi: Tensor) -> Tensor:
        """Return the exponential of elements of the algebra."""
        return torch.linalg.matrix_exp(xi.contiguous())

    @island
    def logm(self, x: Tensor) -> Tensor:
        """Return the element of the algebra whose exponential is x, the principal one.

        Raises:
            ValueError: where there is none, or more than one of the same size.
        """
        log = self._principal(x)
        ok = log.detach().isfinite().all(-1).all(-1) | ~x.detach().isfinite().all(-1).all(-1)
        return self.project_algebra(within(log, ok, self._at_the_cut))

    @island
    def cayley(self, xi: Tensor) -> Tensor:
        """Return (1 - ξ/2)⁻¹(1 + ξ/2), which agrees with exp ξ to second order.

        Raises:
            ValueError: if 1 - ξ/2 is singular.
        """
        eye = torch.eye(self.side, dtype=xi.dtype, device=xi.device)
        factors, pivots, info = torch.linalg.lu_factor_ex(eye - xi / 2)
        value = torch.linalg.lu_solve(factors, pivots, eye + xi / 2)  # as `solved`
        return within(value, info == 0, self._singular)

    @island
    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return x P(x⁻¹u), P the projection onto the algebra."""
        return x @ self.project_algebra(self.inverse(x) @ u)

    @island
    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return Re tr((x⁻¹u)ᴴ x⁻¹v), weighted."""
        back = self.inverse(x)
        return self._product(back @ u, back @ v)

    @island
    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return x P(xᴴg) over the weights."""
        return x @ (self.project_algebra(x.mH @ g) / self.weights(x))

    @island
    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x expm(x⁻¹v)."""
        return x @ self.expm(self.project_algebra(self.inverse(x) @ v))

    @island
    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return x logm(x⁻¹y).

        Raises:
            ValueError: if x⁻¹y has no principal logarithm.
        """
        return x @ self.logm(self.inverse(x) @ y)

    @island
    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return y x⁻¹ v, an isometry, but not parallel."""
        return y @ (self.inverse(x) @ v)

    @island
    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x cay(x⁻¹v)."""
        return x @ self.cayley(self.project_algebra(self.inverse(x) @ v))

    def random_tangent(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Return normally distributed tangent vectors, in the metric."""
        size = (*x.shape[:-2], self.dim)
        c = torch.empty(size, dtype=x.real.dtype, device=x.device).normal_(generator=generator)
        return self.compose(x, self.hat(c).to(x.dtype))

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return exponentials of normally distributed elements of the algebra, of size near 1."""
        eye = self.identity(*batch, dtype=dtype, device=device)
        xi = self.random_tangent(eye, generator=generator)
        return self.expm(xi / math.sqrt(self.dim))

    @island
    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return expm(ξ) x."""
        return self.expm(xi) @ x

    @island
    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return ξ x."""
        return xi @ x

    @island
    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return v x⁻¹."""
        return self.project_algebra(v @ self.inverse(x))

    @island
    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """Return exp(x, v)."""
        return self.exp(x, v)

    def _principal(self, x: Tensor) -> Tensor:
        """Return the principal logarithm, NaN where there is none."""
        return logm(x)

    def _product(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the inner product of elements of the algebra."""
        return (self.weights(a) * a.conj() * b).sum((-2, -1)).real

    def _dtype(self, dtype: torch.dtype | None) -> torch.dtype | None:
        return dtype

    def _singular(self) -> str:
        return f"{self}.cayley: expected ξ with invertible 1 - ξ/2; got others. Make ξ smaller."

    def _at_the_cut(self) -> str:
        return (
            f"{self}.log: expected no points at the cut locus of each other; got some with a "
            "negative eigenvalue of x⁻¹y, or nearly so, and no unique logarithm. Go there by a "
            "point in between."
        )
