"""Real symplectic matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor

from darboux.manifolds._domain import seen, within
from darboux.manifolds._island import island
from darboux.manifolds._lyapunov import lyapunov
from darboux.manifolds._matrix_group import MatrixGroup
from darboux.structure._arguments import Within, checked

_MOST = 60
_UNSEEN = 12


@final
@checked
@dataclass(frozen=True)
class Symplectic(MatrixGroup):
    """The symplectic matrices Sp(2n, R), xᵀ J x = J with J = [[0, 1], [-1, 0]] in halves.

    The metric is left-invariant, <u, v>_x = tr((x⁻¹u)ᵀ x⁻¹v). `exp` and `log` are those of the
    group, no geodesics of the metric: only that they undo each other is promised. The algebra
    are the Hamiltonian matrices ξ = J S with S symmetric, and `cayley` maps them into the
    group. Coordinates of `hat` and `vee` are the diagonal of S, and √2 times the entries below
    it, row by row.

    Shapes: points, tangent vectors and elements of the algebra are (*batch, 2n, 2n).

    Source: section 6.2.1, the footnote about Cayley's map; Hairer, Lubich and Wanner,
    Geometric Numerical Integration, section IV.8.

    Args:
        size: the even number 2n of rows.

    Raises:
        TypeError: if the size is no integer.
        ValueError: if it isn't positive and even.

    Example:
        >>> import torch, darboux as dx
        >>> group = dx.manifolds.Symplectic(2)
        >>> group.cayley(group.hat(torch.tensor([2.0, 0.0, 0.0])))  # a shear
        tensor([[ 1.,  0.],
                [-2.,  1.]])
    """

    size: Annotated[int, Within("an even integer of 2 or more", least=2, most=2**15)]

    def __post_init__(self) -> None:
        """Refuse odd sizes."""
        if self.size % 2:
            msg = f"Symplectic: expected size to be an even integer of 2 or more; got {self.size}"
            raise ValueError(msg)

    @property
    def side(self) -> int:
        """The number 2n."""
        return self.size

    @property
    def dim(self) -> int:
        """n(2n + 1)."""
        return self.size * (self.size + 1) // 2

    def basis(self) -> Tensor:
        """Return J S for unit diagonals and normalised symmetric pairs S."""
        rows, columns = torch.tril_indices(self.size, self.size, -1)
        pairs = torch.zeros(len(rows), self.size, self.size, dtype=torch.float64)
        pairs[torch.arange(len(rows)), rows, columns] = 0.5**0.5
        diagonal = torch.diag_embed(torch.eye(self.size, dtype=torch.float64))
        return _turned(torch.cat([diagonal, pairs + pairs.mT]))

    @island
    def inverse(self, x: Tensor) -> Tensor:
        """Return -J xᵀ J."""
        return _turned(_turned(x).mT)

    @island
    def project_algebra(self, a: Tensor) -> Tensor:
        """Return (a + J aᵀ J)/2."""
        return (a - self.inverse(a)) / 2

    @island
    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - J x Ω, with the skew Ω that makes it tangent."""
        pull = x.mT @ _turned(u)
        return u + _turned(x) @ lyapunov(x.mT @ x, pull - pull.mT)

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return the norm of xᵀ J x - J, relative to the squared one of x if that exceeds 1."""
        form = x.mT @ _turned(x) - _turned(torch.eye(self.size, dtype=x.dtype, device=x.device))
        size = torch.linalg.matrix_norm(x) ** 2
        return torch.linalg.matrix_norm(form) / size.clamp(min=1)

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return the symplectic factor q of x = q s with J-selfadjoint s, to which x is near.

        Raises:
            ValueError: if there is none, as where -x⁻¹J xᵀ J has a negative eigenvalue.
        """
        # Newton's iteration for generalised polar factors: the mean of x and of x⁻¹ˢᵗᵃʳ.
        unseen = not seen(x)
        enough = 8 * self.size * torch.finfo(x.dtype).eps
        for _ in range(_UNSEEN if unseen else _MOST):
            following = (x + self.inverse(torch.linalg.inv_ex(x)[0])) / 2
            moved = torch.linalg.matrix_norm((following - x).detach())
            x = following
            moved = moved / torch.linalg.matrix_norm(x.detach()).clamp(min=1)
            if not unseen and bool((moved <= enough).all()):
                break
        return within(x, moved <= math.sqrt(enough), self._far)

    @island
    def polish(self, x: Tensor) -> Tensor:
        """Return x after one step of Newton and Schulz, with the derivatives of x."""
        given = x.detach()
        eye = torch.eye(self.size, dtype=x.dtype, device=x.device)
        return x + given @ (eye - self.inverse(given) @ given) / 2

    def _far(self) -> str:
        return (
            f"{self}.nearest: expected matrices near symplectic ones; got one without a "
            "symplectic factor. Check the determinant, which is 1 for symplectic matrices."
        )


def _turned(x: Tensor) -> Tensor:
    """Return J x."""
    upper, lower = x.tensor_split(2, dim=-2)
    return torch.cat([lower, -upper], dim=-2)
