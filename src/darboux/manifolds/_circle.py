"""Angles: the circle, and the torus of several of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Generator, Tensor

from darboux.manifolds._domain import within
from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.structure._arguments import Count, checked


def wrap(angle: Tensor) -> Tensor:
    """Return the angle in (-π, π] that differs from one by full turns."""
    return angle - 2 * math.pi * torch.ceil(angle / (2 * math.pi) - 0.5)


class _Angles(HomogeneousSpace):
    """What circle and torus share: all acts on each angle alone."""

    @property
    def algebra(self) -> tuple[int, ...]:
        """The shape of a point: turns."""
        return self.shape

    @property
    def dim(self) -> int:
        """The number of angles."""
        return math.prod(self.shape)

    @property
    def injectivity(self) -> float:
        """The number π."""
        return math.pi

    def defect(self, x: Tensor) -> Tensor:
        """Return how far angles are outside of [-π, π]."""
        return self._total((x.abs() - math.pi).clamp(min=0))

    def nearest(self, x: Tensor) -> Tensor:
        """Return the angles wrapped to (-π, π]."""
        return wrap(x)

    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u."""
        return torch.broadcast_tensors(x, u)[1]

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return the sum of the products."""
        del x
        return self._total(u * v)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v, wrapped."""
        return wrap(x + v)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return y - x, wrapped.

        Raises:
            ValueError: if an angle is opposite to the other.
        """
        v = wrap(y - x)
        opposite = v.abs() >= math.pi
        ok = ~(opposite.any(-1) if self.shape else opposite)
        return within(v, ok, lambda: f"{self}.log: expected no angles half a turn apart; got some")

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the geodesic distance, also between opposite angles."""
        return self.norm(x, wrap(y - x))

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return its square, also between opposite angles."""
        return self._total(wrap(y - x) ** 2)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return v."""
        return torch.broadcast_tensors(x, y, v)[2]

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return uniformly distributed angles."""
        size = (*batch, *self.shape)
        part = torch.rand(size, generator=generator, dtype=dtype, device=device)
        return wrap(2 * math.pi * part)

    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return x + ξ, wrapped."""
        return wrap(x + xi)

    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return ξ."""
        del x
        return xi

    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return v."""
        del x
        return v

    def bracket(self, xi: Tensor, eta: Tensor) -> Tensor:
        """Return 0: turns of a plane commute."""
        return (xi * eta) * 0

    def _total(self, x: Tensor) -> Tensor:
        """Return the sum over the axes of a point."""
        return x.sum(-1) if self.shape else x


@final
@dataclass(frozen=True)
class Circle(_Angles):
    """The circle of angles in radians, in (-π, π]; phases are points of it.

    An image of phases, (batch, channels, height, width), is a batch of points. Angles of any
    size are accepted; `nearest` wraps them, and `torch.angle` makes them from complex numbers.

    Shapes: points and tangent vectors are (*batch).

    Source: section 2.3.

    Example:
        >>> import torch, darboux as dx
        >>> circle = dx.manifolds.Circle()
        >>> circle.log(torch.tensor(3.0), torch.tensor(-3.0))  # across the jump at π
        tensor(0.2832)
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """()."""
        return ()


@final
@checked
@dataclass(frozen=True)
class Torus(_Angles):
    """The flat torus of n angles in radians, each in (-π, π].

    Shapes: points and tangent vectors are (*batch, n).

    Args:
        n: the number of angles.

    Raises:
        TypeError: if n is no integer.
        ValueError: if it isn't positive.

    Example:
        >>> import torch, darboux as dx
        >>> torus = dx.manifolds.Torus(2)
        >>> torus.dist(torch.tensor([3.0, 0.0]), torch.tensor([-3.0, 0.0]))
        tensor(0.2832)
    """

    n: Count

    @property
    def shape(self) -> tuple[int, ...]:
        """(n,)."""
        return (self.n,)
