"""The abstract Riemannian manifold."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Generator, Tensor

from darboux.structure import PointSet


class Manifold(PointSet):
    """A Riemannian manifold in a vector space of tensors: geometry without parameters.

    A point is a tensor (*batch, *shape), a tangent vector at it one of the same shape in the
    surrounding space; batches broadcast, and numbers of points, inner products and distances
    have the shape (*batch). Manifolds are immutable data and equal where their classes and
    arguments are. Everything follows the dtype and the device of its arguments.

    Source: sections 2.3 and 6.2.1.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """The number of degrees of freedom, real ones."""

    @property
    def flat(self) -> bool:
        """Whether the metric is that of a vector space in suitable coordinates."""
        return False

    @property
    def injectivity(self) -> float:
        """The distance below which `log` undoes `exp` everywhere."""
        return math.inf

    @abstractmethod
    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return the orthogonal projection of u onto the tangent space at x."""

    @abstractmethod
    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return the inner product of two tangent vectors at x, (*batch)."""

    @abstractmethod
    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the end of the geodesic that leaves x with velocity v, after time 1."""

    @abstractmethod
    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the velocity at x of the shortest geodesic to y.

        Raises:
            ValueError: if y is in the cut locus of x, where it isn't unique.
        """

    @abstractmethod
    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return random points, (*batch, *shape)."""

    @abstractmethod
    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return a tangent vector at x, brought to y; `parallel` says how."""

    @property
    def parallel(self) -> bool:
        """Whether `transport` is parallel along the shortest geodesic, hence an isometry."""
        return True

    @property
    def geodesic_exp(self) -> bool:
        """Whether `exp` follows geodesics of the metric; if not, only `log` undoes it."""
        return True

    def norm(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the length of a tangent vector, (*batch), with subgradient 0 at v = 0."""
        return safe_sqrt(self.inner(x, v, v))

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the geodesic distance, (*batch)."""
        return self.norm(x, self.log(x, y))

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the squared geodesic distance, (*batch), smooth where x and y meet."""
        v = self.log(x, y)
        return self.inner(x, v, v)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the Riemannian gradient of a function whose partial derivatives are g.

        It is the tangent vector v with inner(x, v, u) = Re <g, u> for all tangent vectors u.
        """
        return self.project(x, g)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return a point that agrees with exp(x, v) to first order, as cheap as it gets."""
        return self.exp(x, v)

    def geodesic(self, x: Tensor, y: Tensor, t: float | Tensor) -> Tensor:
        """Return the point at time t of the shortest geodesic with x at 0 and y at 1."""
        return self.exp(x, t * self.log(x, y))

    def random_tangent(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Return random tangent vectors at points: normal ones, projected."""
        u = torch.empty_like(x).normal_(generator=generator)
        return self.project(x, u)


def safe_sqrt(square: Tensor) -> Tensor:
    """Return √max(s, 0), with derivative 0 where s <= 0."""
    positive = square > 0
    return torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0 * square)  # or NaN
