"""The unit sphere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Generator, Tensor

from darboux.manifolds._domain import within
from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._island import island
from darboux.manifolds._manifold import safe_sqrt
from darboux.manifolds._series import angle_over_sine, cos_of_sqrt, sinc_of_sqrt
from darboux.structure._arguments import Within, checked


@final
@checked
@dataclass(frozen=True)
class Sphere(HomogeneousSpace):
    """The unit sphere of R^n, on which rotations act.

    Shapes: points and tangent vectors are (*batch, n); elements of the algebra are skew matrices
    (*batch, n, n), and the generator of v at x is v xᵀ - x vᵀ.

    Args:
        n: the number of coordinates, at least 2; Sphere(3) is the surface of the ball.

    Raises:
        TypeError: if n is no integer.
        ValueError: if it is smaller than 2.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> north, east = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0])
        >>> sphere.geodesic(north, east, 0.5)
        tensor([0.7071, 0.0000, 0.7071])
    """

    n: Annotated[int, Within("an integer of 2 or more", least=2, most=2**31 - 1)]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n,)."""
        return (self.n,)

    @property
    def algebra(self) -> tuple[int, ...]:
        """(n, n): skew matrices."""
        return (self.n, self.n)

    @property
    def dim(self) -> int:
        """The number n - 1."""
        return self.n - 1

    @property
    def injectivity(self) -> float:
        """The number π."""
        return math.pi

    def defect(self, x: Tensor) -> Tensor:
        """Return the difference of the length from 1."""
        return (torch.linalg.vector_norm(x, dim=-1) - 1).abs()

    def nearest(self, x: Tensor) -> Tensor:
        """Return x / |x|, which is NaN for 0."""
        return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)

    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - <x, u> x."""
        return u - (x * u).sum(-1, keepdim=True) * x

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return Σ uᵢ vᵢ."""
        del x
        return (u * v).sum(-1)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return cos|v| x + sin|v| v/|v|."""
        square = (v * v).sum(-1, keepdim=True)
        return cos_of_sqrt(square) * x + sinc_of_sqrt(square) * v

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the velocity at x of the shortest arc to y.

        Raises:
            ValueError: if y = -x, up to rounding.
        """
        q, rest = self._halves(x, y)
        v = angle_over_sine(q, rest) * ((y - x) + 2 * q * x)
        return within(v, self._apart(rest[..., 0]), self._opposite)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the angle between x and y, also of opposite points."""
        q, rest = self._halves(x, y)
        return 2 * torch.atan2(safe_sqrt(q), safe_sqrt(rest))[..., 0]

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return its square, also of opposite points."""
        q, rest = self._halves(x, y)
        near = q < rest
        close = angle_over_sine(torch.where(near, q, 0.0), torch.where(near, rest, 1.0))
        far = torch.atan2(torch.where(near, 0.5, q).sqrt(), safe_sqrt(torch.where(near, 0.5, rest)))
        return torch.where(near, 4 * q * rest * close**2, 4 * far**2)[..., 0]

    def _apart(self, rest: Tensor) -> Tensor:
        """Return whether cos²(θ/2) is more than rounding of opposite points leaves."""
        return rest.sqrt() > 2 * torch.finfo(rest.dtype).eps

    def _opposite(self) -> str:
        return (
            f"{self}: expected no opposite points, which no unique shortest arc joins; got y = -x. "
            "Go there by a point in between."
        )

    def _halves(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return sin²(θ/2) and cos²(θ/2) of the angle between, accurate at both ends."""
        less, more = y - x, y + x
        q = (less * less).sum(-1, keepdim=True)
        rest = (more * more).sum(-1, keepdim=True)
        return q / 4, rest / 4

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return v - <y, v> / (1 + <x, y>) (x + y).

        Raises:
            ValueError: if y = -x, up to rounding.
        """
        more = x + y
        square = (more * more).sum(-1, keepdim=True)
        v = v - 2 * (y * v).sum(-1, keepdim=True) / square * more
        return within(v, self._apart(square[..., 0] / 4), self._opposite)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return (x + v) / |x + v|."""
        return self.nearest(x + v)

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return uniformly distributed points."""
        size = (*batch, self.n)
        return self.nearest(torch.randn(*size, generator=generator, dtype=dtype, device=device))

    def project_algebra(self, xi: Tensor) -> Tensor:
        """Return (ξ - ξᵀ)/2."""
        return (xi - xi.mT) / 2

    @island
    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return exp(ξ) x."""
        return (torch.linalg.matrix_exp(xi.contiguous()) @ x[..., None])[..., 0]

    @island
    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return ξ x."""
        return (xi @ x[..., None])[..., 0]

    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return v xᵀ - x vᵀ."""
        outer = v[..., None] * x[..., None, :]
        return outer - outer.mT
