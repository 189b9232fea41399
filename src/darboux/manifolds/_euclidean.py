"""The flat space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Generator, Tensor

from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.structure._arguments import Count, checked


@final
@checked
@dataclass(frozen=True)
class Euclidean(HomogeneousSpace):
    """R^n with the usual inner product; translations act on it.

    Shapes: points and tangent vectors are (*batch, n).

    Args:
        n: the number of coordinates.

    Raises:
        TypeError: if n is no integer.
        ValueError: if it isn't positive.

    Example:
        >>> import torch, darboux as dx
        >>> plane = dx.manifolds.Euclidean(2)
        >>> float(plane.dist(torch.zeros(2), torch.tensor([3.0, 4.0])))
        5.0
    """

    n: Count

    @property
    def shape(self) -> tuple[int, ...]:
        """(n,)."""
        return (self.n,)

    @property
    def algebra(self) -> tuple[int, ...]:
        """(n,): translations."""
        return (self.n,)

    @property
    def dim(self) -> int:
        """The number n."""
        return self.n

    @property
    def flat(self) -> bool:
        """True."""
        return True

    def defect(self, x: Tensor) -> Tensor:
        """Return 0 for finite tensors."""
        return (x - x).amax(-1)

    def nearest(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u."""
        return torch.broadcast_tensors(x, u)[1]

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return Σ uᵢ vᵢ."""
        del x
        return (u * v).sum(-1)

    def coordinates(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def from_coordinates(self, c: Tensor) -> Tensor:
        """Return c."""
        return c

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v."""
        return x + v

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return y - x."""
        return y - x

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
        """Return normally distributed points."""
        return torch.randn(*batch, self.n, generator=generator, dtype=dtype, device=device)

    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return x + ξ."""
        return x + xi

    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return ξ."""
        del x
        return xi

    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return v."""
        del x
        return v

    def bracket(self, xi: Tensor, eta: Tensor) -> Tensor:
        """Return 0: translations commute."""
        return (xi * eta) * 0
