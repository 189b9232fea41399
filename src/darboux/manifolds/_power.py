"""Powers of a manifold: images and signals whose values are its points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Generator, Tensor

from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._manifold import Manifold, safe_sqrt
from darboux.manifolds._product import acted_on
from darboux.structure._arguments import Count, checked


@final
@dataclass(frozen=True, init=False)
class Power(HomogeneousSpace):
    """The power M^(m x l x ...), with the sum of the metrics: images and signals with values in M.

    All acts on each value; only inner products and distances differ from those of a batch of
    points of M, by a sum. The group acts on each value alone, and needs M to be a homogeneous
    space.

    Shapes: points and tangent vectors are (*batch, m, l, ..., *M.shape); elements of the algebra
    are (*batch, m, l, ..., *M.algebra).

    Source: section 2.3.

    Args:
        manifold: M.
        size: m, l, ..., at least one number.

    Raises:
        TypeError: if an argument is of another type, or a group is asked for that M doesn't have.
        ValueError: if there is no size, or it isn't positive.

    Example:
        >>> import torch, darboux as dx
        >>> image = dx.manifolds.Power(dx.manifolds.SPD(3), 16, 16)
        >>> noisy, clean = image.random_point(5), image.random_point(5)
        >>> image.dist(noisy, clean).shape
        torch.Size([5])
    """

    manifold: Manifold
    size: tuple[int, ...]

    @checked
    def __init__(self, manifold: Manifold, *size: Count) -> None:
        if not size:
            raise ValueError("Power: expected a size, as in Power(Sphere(3), 16, 16); got none.")
        object.__setattr__(self, "manifold", manifold)
        object.__setattr__(self, "size", size)

    def __repr__(self) -> str:
        return f"Power({self.manifold!r}, {', '.join(map(str, self.size))})"

    @property
    def shape(self) -> tuple[int, ...]:
        """(m, l, ..., *M.shape)."""
        return (*self.size, *self.manifold.shape)

    @property
    def dim(self) -> int:
        """The dimension of M, times m l ..."""
        return self.manifold.dim * torch.Size(self.size).numel()

    @property
    def flat(self) -> bool:
        """Whether M is."""
        return self.manifold.flat

    @property
    def parallel(self) -> bool:
        """Whether that of M is."""
        return self.manifold.parallel

    @property
    def geodesic_exp(self) -> bool:
        """Whether that of M is."""
        return self.manifold.geodesic_exp

    @property
    def injectivity(self) -> float:
        """That of M."""
        return self.manifold.injectivity

    def defect(self, x: Tensor) -> Tensor:
        """Return the largest defect of a value."""
        return self.manifold.defect(x).amax(self._axes)

    def rounding(self, dtype: torch.dtype) -> float:
        """Return that of M."""
        return self.manifold.rounding(dtype)

    def nearest(self, x: Tensor) -> Tensor:
        """Return the nearest values."""
        return self.manifold.nearest(x)

    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return the projections."""
        return self.manifold.project(x, u)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return the sum of the inner products."""
        return self.manifold.inner(x, u, v).sum(self._axes)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the ends of the geodesics."""
        return self.manifold.exp(x, v)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the velocities of the shortest geodesics."""
        return self.manifold.log(x, y)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the root of the sum of squared distances."""
        return safe_sqrt(self.dist2(x, y))

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the sum of the squared distances."""
        return self.manifold.dist2(x, y).sum(self._axes)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the gradients."""
        return self.manifold.gradient(x, g)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the retractions."""
        return self.manifold.retract(x, v)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return the transported vectors."""
        return self.manifold.transport(x, y, v)

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return random values."""
        return self.manifold.random_point(
            *batch, *self.size, generator=generator, dtype=dtype, device=device
        )

    @property
    def algebra(self) -> tuple[int, ...]:
        """(m, l, ..., *M.algebra)."""
        return (*self.size, *self._group.algebra)

    def project_algebra(self, xi: Tensor) -> Tensor:
        """Return the projections."""
        return self._group.project_algebra(xi)

    def killing(self, xi: Tensor) -> Tensor:
        """Return what keeps distances of each value."""
        return self._group.killing(xi)

    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return exp(ξ)·x of each value."""
        return self._group.move(xi, x)

    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return ξ·x of each value."""
        return self._group.infinitesimal(xi, x)

    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the generators."""
        return self._group.generator(x, v)

    def polish(self, x: Tensor) -> Tensor:
        """Return the polished values."""
        return self._group.polish(x)

    def bracket(self, xi: Tensor, eta: Tensor) -> Tensor:
        """Return the brackets."""
        return self._group.bracket(xi, eta)

    @property
    def _axes(self) -> tuple[int, ...]:
        """The axes of the power, once those of a value are reduced."""
        return tuple(range(-len(self.size), 0))

    @property
    def _group(self) -> HomogeneousSpace:
        return acted_on(self.manifold, "Power")
