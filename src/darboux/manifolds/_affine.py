"""Affine maps and rigid motions, as matrices [[A, b], [0, 1]]."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor

from darboux.manifolds._gl import GL
from darboux.manifolds._island import island
from darboux.manifolds._logm import logm
from darboux.manifolds._matrix_group import MatrixGroup
from darboux.manifolds._rotations import left_jacobian, rotation_exp
from darboux.manifolds._so import SO
from darboux.solvers._nested import solved
from darboux.structure._arguments import Count, Within, checked


class AffineMaps(MatrixGroup):
    """The maps u -> A u + b of R^n with A in a group of its own."""

    n: int

    @property
    @abstractmethod
    def linear(self) -> MatrixGroup:
        """The group of A."""

    @property
    def side(self) -> int:
        """The number n + 1."""
        return self.n + 1

    @property
    def dim(self) -> int:
        """The dimension of the group of A, and n."""
        return self.linear.dim + self.n

    def basis(self) -> Tensor:
        """Return the basis of the group of A, then translations."""
        turns = self.linear.basis()
        shifts = torch.eye(self.n, dtype=torch.float64)[..., None]
        nothing = torch.zeros(self.n, self.n, self.n, dtype=torch.float64)
        return torch.cat(
            [_matrix(turns, turns[..., :1] * 0, last=0), _matrix(nothing, shifts, last=0)]
        )

    @island
    def inverse(self, x: Tensor) -> Tensor:
        """Return [[A⁻¹, -A⁻¹b], [0, 1]]."""
        a, b = _blocks(x)
        back = self.linear.inverse(a)
        return _matrix(back, -back @ b, last=1)

    @island
    def project_algebra(self, a: Tensor) -> Tensor:
        """Return a with its first block in the algebra of A, and zeros in the last row."""
        block, shift = _blocks(a)
        return _matrix(self.linear.project_algebra(block), shift, last=0)

    @island
    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u with its first block tangent at A, and zeros in the last row."""
        block, shift = _blocks(u)
        return _matrix(self.linear.project(_blocks(x)[0], block), shift, last=0)

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return that of A, and how far the last row is from (0, 1)."""
        last = x[..., -1, :] - self.identity(dtype=x.dtype, device=x.device)[-1]
        return self.linear.defect(_blocks(x)[0]) + torch.linalg.vector_norm(last, dim=-1)

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return the matrix with the nearest A and the last row (0, 1)."""
        a, b = _blocks(x)
        return _matrix(self.linear.nearest(a), b, last=1)

    @island
    def polish(self, x: Tensor) -> Tensor:
        """Return x with A polished and the last row (0, 1)."""
        a, b = _blocks(x)
        return _matrix(self.linear.polish(a), b, last=1)

    @island
    def expm(self, xi: Tensor) -> Tensor:
        """Return the exponential."""
        return _scaled(torch.linalg.matrix_exp, xi, last=0)

    def _principal(self, x: Tensor) -> Tensor:
        return _scaled(logm, x, last=1)


@final
@checked
@dataclass(frozen=True)
class Affine(AffineMaps):
    """The maps u -> A u + b of R^n with det A > 0, as matrices [[A, b], [0, 1]].

    The metric is left-invariant, the sum of squares of the entries of x⁻¹v. `exp` and `log` are
    those of the group, no geodesics of the metric: only that they undo each other is promised.
    The logarithm is the principal one, which some points don't have; they raise. Coordinates of
    `hat` and `vee` are the entries of the first block, row by row, then those of b.

    Shapes: points, tangent vectors and elements of the algebra are (*batch, n + 1, n + 1).

    Args:
        n: the dimension of the space.

    Raises:
        TypeError: if n is no integer.
        ValueError: if it isn't positive.

    Example:
        >>> import torch, darboux as dx
        >>> group = dx.manifolds.Affine(1)
        >>> group.expm(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))  # a translation
        tensor([[1., 2.],
                [0., 1.]])
    """

    n: Count

    @property
    def linear(self) -> GL:
        """GL(n)."""
        return GL(self.n)

    @island
    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return exp(x, v): a Cayley map may leave the group."""
        return self.exp(x, v)


@final
@checked
@dataclass(frozen=True)
class SE(AffineMaps):
    """The rigid motions u -> R u + t of R^n, as matrices [[R, t], [0, 1]].

    The metric is left-invariant, ½ tr(ΩᵀΩ) + |ρ|² for x⁻¹v = [[Ω, ρ], [0, 0]]. `exp` and `log`
    are those of the group, screw motions and no geodesics of the metric: only that they undo
    each other is promised. They are closed forms for n = 3. Coordinates of `hat` and `vee` are
    those of SO(n), then ρ: (ω, ρ) for n = 3, rotation first.

    Shapes: points, tangent vectors and elements of the algebra are (*batch, n + 1, n + 1).

    Args:
        n: the dimension of the space, at least 2.

    Raises:
        TypeError: if n is no integer.
        ValueError: if it is smaller than 2.

    Example:
        >>> import math, torch, darboux as dx
        >>> motions = dx.manifolds.SE(3)
        >>> screw = motions.hat(torch.tensor([0.0, 0.0, math.pi, 0.0, 0.0, 1.0]))
        >>> (motions.expm(screw) @ torch.tensor([1.0, 0.0, 0.0, 1.0])).round(decimals=4)
        tensor([-1., -0.,  1.,  1.])
    """

    n: Annotated[int, Within("an integer of 2 or more", least=2, most=2**15)]

    @property
    def linear(self) -> SO:
        """SO(n)."""
        return SO(self.n)

    def weights(self, like: Tensor) -> Tensor:
        """Return ½ for the rotation and 1 for the translation."""
        row = torch.full((self.side,), 0.5, dtype=like.dtype, device=like.device)
        row[-1] = 1
        return row

    @island
    def expm(self, xi: Tensor) -> Tensor:
        """Return the exponential."""
        if self.n != 3:
            return _scaled(torch.linalg.matrix_exp, xi, last=0)
        turn, shift = _blocks(xi)
        return _matrix(rotation_exp(turn), left_jacobian(turn) @ shift, last=1)

    def _principal(self, x: Tensor) -> Tensor:
        r, t = _blocks(x)
        turn, unique = self.linear.any_logm(r)
        if self.n == 3:
            mean = left_jacobian(turn)
        else:  # the integral of exp(sΩ) over [0, 1]
            eye = torch.eye(self.n, dtype=x.dtype, device=x.device).expand_as(turn)
            mean = torch.linalg.matrix_exp(_matrix(turn, eye, last=0))[..., : self.n, self.n :]
        log = _matrix(turn, solved(mean, t), last=0)
        return torch.where(unique[..., None, None], log, torch.nan)


def _blocks(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return A and b, a column."""
    return x[..., :-1, :-1], x[..., :-1, -1:]


def _matrix(a: Tensor, b: Tensor, *, last: float) -> Tensor:
    """Return [[A, b], [0, last]] with as many rows of zeros as b has columns."""
    above = torch.cat([a, b.expand(*a.shape[:-1], b.shape[-1])], dim=-1)
    below = torch.zeros_like(above[..., : b.shape[-1], :])
    below[..., -1] = last
    return torch.cat([above, below], dim=-2)


def _scaled(function: Callable[[Tensor], Tensor], x: Tensor, *, last: float) -> Tensor:
    """Return exponential or logarithm, both linear in b: a large one would only cost digits."""
    a, b = _blocks(x)
    size = torch.linalg.vector_norm(b.detach(), dim=-2, keepdim=True).clamp(min=1)
    block, shift = _blocks(function(_matrix(a, b / size, last=last)))
    return _matrix(block, size * shift, last=1 - last)
