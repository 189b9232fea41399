"""Motions: what an optimiser does with points and tangent vectors of a manifold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import singledispatch
from typing import final

from torch import Tensor

from darboux.manifolds import (
    SO,
    Grassmann,
    HomogeneousSpace,
    Manifold,
    MatrixGroup,
    Stiefel,
    U,
)
from darboux.optim import _frames


class Motion(ABC):
    """How points of one manifold move, and how vectors that are kept between steps move along.

    A kept vector is what `carried` returned at the end of the last step. `brought` makes it a
    tangent vector at the point where the next step begins.
    """

    manifold: Manifold

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return the inner product of tangent vectors at each point."""
        return self.manifold.inner(x, u, v)

    @abstractmethod
    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the Riemannian gradient, of partial derivatives g."""

    @abstractmethod
    def brought(self, x: Tensor, kept: Tensor) -> Tensor:
        """Return a kept vector, or its sum with tangent vectors, as a tangent vector at x."""

    @abstractmethod
    def accumulated(self, x: Tensor, kept: Tensor, g: Tensor, factor: float) -> Tensor:
        """Return factor · kept + gradient, tangent at x."""

    @abstractmethod
    def moved(self, x: Tensor, v: Tensor, h: float) -> Tensor:
        """Return the point at which a step -h v from x ends."""

    @abstractmethod
    def carried(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return what is kept of a tangent vector v at x after the step to y."""


@final
class Flat(Motion):
    """Tensors of any shape that lie on no manifold."""

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        del x
        return (u.conj() * v).real

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        del x
        return g

    def brought(self, x: Tensor, kept: Tensor) -> Tensor:
        del x
        return kept

    def accumulated(self, x: Tensor, kept: Tensor, g: Tensor, factor: float) -> Tensor:
        del x
        return g.add(kept, alpha=factor)

    def moved(self, x: Tensor, v: Tensor, h: float) -> Tensor:
        return x.sub(v, alpha=h)

    def carried(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        del x, y
        return v


@final
@dataclass(frozen=True)
class Retracted(Motion):
    """The manifold's own gradient, retraction and transport."""

    manifold: Manifold

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        if not bool(g.isfinite().all()):
            raise FloatingPointError(_frames.NOT_FINITE)
        return self.manifold.gradient(x, g)

    def brought(self, x: Tensor, kept: Tensor) -> Tensor:
        del x
        return kept

    def accumulated(self, x: Tensor, kept: Tensor, g: Tensor, factor: float) -> Tensor:
        return self.gradient(x, g).add(kept, alpha=factor)

    def moved(self, x: Tensor, v: Tensor, h: float) -> Tensor:
        cause = None
        try:
            y = self.manifold.retract(x, -h * v)
            if isinstance(self.manifold, HomogeneousSpace):
                y = self.manifold.polish(y)
            # a Cayley map or exponential of something long leaves a group by rounding
            grouped = isinstance(self.manifold, MatrixGroup)
            if self.manifold.check(y)[0] if grouped else bool(y.isfinite().all()):
                return y
        except ValueError as error:
            cause = error
        msg = (
            f"{self.manifold}: expected steps that end on the manifold; got none by a step of "
            f"length {h * float(self.manifold.norm(x, v).max()):.3g}. Use a smaller lr, or clip "
            "gradients. The parameters are unchanged."
        )
        raise FloatingPointError(msg) from cause

    def carried(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        return self.manifold.transport(x, y, v)


@final
@dataclass(frozen=True)
class Framed(Motion):
    """Orthonormal columns. Vectors are carried by projection, at the point where they arrive.

    Where the gradient is a multiple of the projection, that costs nothing: both are projected
    as one.
    """

    manifold: Manifold
    horizontal: bool
    multiple: float | None  # of the projection, or None

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        return self.brought(x, g) if self.multiple == 1 else self.manifold.gradient(x, g)

    def brought(self, x: Tensor, kept: Tensor) -> Tensor:
        return _frames.horizontal(x, kept) if self.horizontal else _frames.tangent(x, kept)

    def accumulated(self, x: Tensor, kept: Tensor, g: Tensor, factor: float) -> Tensor:
        if self.multiple is None:
            return self.brought(x, factor * kept).add_(self.gradient(x, g))
        u = g.add(kept, alpha=factor) if self.multiple == 1 else self.multiple * g + factor * kept
        return (_frames.horizontal if self.horizontal else _frames.tangent)(x, u, out=u)

    def moved(self, x: Tensor, v: Tensor, h: float) -> Tensor:
        return _frames.moved(x, v, h)

    def carried(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        del x, y
        return v


@singledispatch
def motion_of(manifold: Manifold) -> Motion:
    """Return how points of a manifold move: by one polar correction where columns are frames."""
    return Retracted(manifold)


@motion_of.register
def _(manifold: Stiefel) -> Motion:
    multiple = 1.0 if manifold.metric == "euclidean" else None
    return Framed(manifold, horizontal=False, multiple=multiple)


@motion_of.register
def _(manifold: Grassmann) -> Motion:
    return Framed(manifold, horizontal=True, multiple=1.0)


@motion_of.register
def _(manifold: SO | U) -> Motion:
    return Framed(manifold, horizontal=False, multiple=2.0 if isinstance(manifold, SO) else 1.0)
