"""Linear maps that keep the orientation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.manifolds._island import island
from darboux.manifolds._matrix_group import MatrixGroup
from darboux.structure._arguments import Count, checked


@final
@checked
@dataclass(frozen=True)
class GL(MatrixGroup):
    """The n x n matrices with positive determinant, with <u, v>_x = tr((x⁻¹u)ᵀ x⁻¹v).

    `exp` and `log` are those of the group, no geodesics of the metric: only that they undo each
    other is promised. The logarithm is the principal one, which some points don't have; they
    raise. Coordinates of `hat` and `vee` are the entries, row by row.

    Shapes: points, tangent vectors and elements of the algebra are (*batch, n, n).

    Args:
        n: the dimension of the space.

    Raises:
        TypeError: if n is no integer.
        ValueError: if it isn't positive.

    Example:
        >>> import torch, darboux as dx
        >>> group = dx.manifolds.GL(2)
        >>> group.logm(torch.tensor([[1.0, 3.0], [0.0, 1.0]]))
        tensor([[0., 3.],
                [0., 0.]])
    """

    n: Count

    @property
    def side(self) -> int:
        """The number n."""
        return self.n

    @property
    def dim(self) -> int:
        """n²."""
        return self.n**2

    def basis(self) -> Tensor:
        """Return the matrices with a single 1."""
        return torch.eye(self.dim, dtype=torch.float64).unflatten(1, self.shape)

    @island
    def inverse(self, x: Tensor) -> Tensor:
        """Return x⁻¹."""
        return torch.linalg.inv(x)

    @island
    def project_algebra(self, a: Tensor) -> Tensor:
        """Return a."""
        return a

    @island
    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u."""
        return u.expand(torch.broadcast_shapes(u.shape, x.shape))

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return 0 for a positive determinant, 1 for singular matrices, 2 for a negative one."""
        sign, _ = torch.linalg.slogdet(x)
        return 1 - sign + 0 * x.sum((-2, -1))  # NaN for NaN

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return x; where its determinant is negative, the smallest singular value turns round."""
        reversed = torch.linalg.slogdet(x.detach())[0] < 0
        last = torch.linalg.svd(x.detach())[2][..., -1:, :]
        return torch.where(reversed[..., None, None], x - 2 * (x @ last.mT) @ last, x)

    @island
    def polish(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    @island
    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return exp(x, v): a Cayley map may leave the group."""
        return self.exp(x, v)
