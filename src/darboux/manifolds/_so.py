"""Rotations and unitary matrices, with their bi-invariant metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Generator, Tensor

from darboux.linear._orthonormal import gram_defect, polish
from darboux.manifolds._domain import seen, within
from darboux.manifolds._island import island
from darboux.manifolds._logm import unitary_logm
from darboux.manifolds._manifold import safe_sqrt
from darboux.manifolds._matrix_group import MatrixGroup
from darboux.manifolds._orthonormal import polar, qr_factor
from darboux.manifolds._rotations import rotation_exp, rotation_log
from darboux.structure._arguments import Count, Within, checked


class Isometries(MatrixGroup):
    """What SO(n) and U(n) share: x⁻¹ = xᴴ, and a metric of which `exp` is the exponential."""

    @property
    def geodesic_exp(self) -> bool:
        """True: the metric is bi-invariant."""
        return True

    @property
    def parallel(self) -> bool:
        """True."""
        return True

    @island
    def inverse(self, x: Tensor) -> Tensor:
        """Return xᴴ."""
        return x.mH

    @island
    def project_algebra(self, a: Tensor) -> Tensor:
        """Return (a - aᴴ)/2."""
        return (a - a.mH) / 2

    @island
    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return Re tr(uᴴ v), weighted."""
        del x
        return self._product(u, v)

    @island
    def logm(self, x: Tensor) -> Tensor:
        """Return the skew logarithm.

        Raises:
            ValueError: if -1 is an eigenvalue of x, up to rounding.
        """
        log, unique = self.any_logm(x)
        return within(log, unique | ~_finite(x), self._at_the_cut)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the geodesic distance, also at the cut locus, where its derivative is 0."""
        return safe_sqrt(self.dist2(x, y))

    @island
    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return its square."""
        between = self.inverse(x) @ y
        log, unique = self.any_logm(between)
        square = self._product(log, log)
        if not seen(between) or not bool(unique.all()):
            finite = _finite(between)[..., None, None]
            eye = torch.eye(self.side, dtype=x.dtype, device=x.device)
            angles = torch.linalg.eigvals(torch.where(finite, between.detach(), eye)).angle()
            at_the_cut = self.weights(x) * (angles * angles).sum(-1)
            square = torch.where(unique | ~finite[..., 0, 0], square, at_the_cut)
        return square

    @island
    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return x g (x⁻¹v) g with g² = x⁻¹y: parallel along the geodesic."""
        back = self.inverse(x)
        half = self.expm(self.logm(back @ y) / 2)
        return x @ half @ (back @ v) @ half

    @island
    def polish(self, x: Tensor) -> Tensor:
        """Return x after one step of Newton and Schulz."""
        return polish(x)

    def any_logm(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a shortest skew logarithm, and where it is the only one."""
        return unitary_logm(x)


@final
@checked
@dataclass(frozen=True)
class SO(Isometries):
    """The rotations of R^n, with the metric <u, v> = ½ tr(uᵀv).

    Its geodesics are x expm(t ξ), and a rotation of a plane by θ is at distance |θ| from 1; the
    cut locus are the points with a half turn between them. Exponential and logarithm are closed
    forms for n = 2 and 3. Coordinates of `hat` and `vee` are the axis ω with ξ u = ω x u for
    n = 3, and else the entries of ξ below the diagonal, row by row.

    Shapes: points, tangent vectors and elements of the algebra are (*batch, n, n).

    Args:
        n: the dimension of the space, at least 2.

    Raises:
        TypeError: if n is no integer.
        ValueError: if it is smaller than 2.

    Example:
        >>> import math, torch, darboux as dx
        >>> rotations = dx.manifolds.SO(3)
        >>> quarter = rotations.expm(rotations.hat(torch.tensor([0.0, 0.0, math.pi / 2])))
        >>> (quarter @ torch.tensor([1.0, 0.0, 0.0])).round().abs()  # from the x to the y axis
        tensor([0., 1., 0.])
        >>> round(float(rotations.dist(torch.eye(3), quarter)) / math.pi, 4)
        0.5
    """

    n: Annotated[int, Within("an integer of 2 or more", least=2, most=2**15)]

    @property
    def side(self) -> int:
        """The number n."""
        return self.n

    @property
    def dim(self) -> int:
        """n(n - 1)/2."""
        return self.n * (self.n - 1) // 2

    def weights(self, like: Tensor) -> float:
        """Return ½."""
        del like
        return 0.5

    def basis(self) -> Tensor:
        """Return the generators of rotations of coordinate planes."""
        basis = skew_basis(self.n)
        if self.n == 3:  # below the diagonal stand z, -y and x
            return torch.stack([basis[2], -basis[1], basis[0]])
        return basis

    @island
    def expm(self, xi: Tensor) -> Tensor:
        """Return the exponential."""
        if self.n == 2:
            turn = xi[..., 1:, :1]
            c, s = turn.cos(), turn.sin()
            return torch.cat([torch.cat([c, -s], -1), torch.cat([s, c], -1)], -2)
        return rotation_exp(xi) if self.n == 3 else torch.linalg.matrix_exp(xi.contiguous())

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return the norm of xᵀx - 1, and at least 2 for reflections."""
        size = torch.linalg.matrix_norm(gram_defect(x))
        return torch.where(torch.linalg.det(x) < 0, size.clamp(min=2), size)

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return the nearest rotation.

        Raises:
            ValueError: if it isn't unique.
        """
        # Where the nearest orthogonal matrix is a reflection, the direction that x stretches
        # least is turned round.
        last = torch.linalg.svd(x.detach())[2][..., -1:, :]
        mirrored = x - 2 * (x @ last.mT) @ last
        flip = (torch.linalg.det(x.detach()) < 0)[..., None, None]
        return polar(torch.where(flip, mirrored, x))

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return uniformly distributed rotations."""
        size = (*batch, self.n, self.n)
        q = qr_factor(torch.randn(*size, generator=generator, dtype=dtype, device=device))
        return torch.cat([q[..., :1] * torch.linalg.det(q).sign()[..., None, None], q[..., 1:]], -1)

    def any_logm(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a shortest skew logarithm, and where it is the only one."""
        if self.n == 2:
            turn = torch.atan2(x[..., 1, 0] - x[..., 0, 1], x[..., 0, 0] + x[..., 1, 1])
            away = math.pi - turn.detach().abs() > 4 * torch.finfo(x.dtype).eps
            return turn[..., None, None] * skew_basis(2)[0].to(x), away
        return rotation_log(x) if self.n == 3 else unitary_logm(x)


@final
@checked
@dataclass(frozen=True)
class U(Isometries):
    """The unitary n x n matrices, with the metric <u, v> = Re tr(uᴴv).

    Its geodesics are x expm(t ξ) with ξᴴ = -ξ; the distance from 1 is the root of the sum of
    the squared phases of the eigenvalues, which are taken in [-π, π]. Coordinates of `hat` and
    `vee` are those of the imaginary diagonal, then of the real skew and of the imaginary
    symmetric part.

    Shapes: points, tangent vectors and elements of the algebra are complex, (*batch, n, n).

    Args:
        n: the number of complex coordinates.

    Raises:
        TypeError: if n is no integer.
        ValueError: if it isn't positive.

    Example:
        >>> import math, torch, darboux as dx
        >>> phases = dx.manifolds.U(1)
        >>> one = phases.identity(dtype=torch.complex128)
        >>> round(float(phases.dist(one, -1j * one)) / math.pi, 6)
        0.5
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
        """Return i times unit diagonals, then skew and i times symmetric pairs."""
        skew = skew_basis(self.n)
        pairs = skew.tril().abs()
        diagonal = torch.diag_embed(torch.eye(self.n, dtype=torch.float64))
        mixed = torch.cat([skew, 1j * (pairs + pairs.mT)]) * 0.5**0.5
        return torch.cat([1j * diagonal, mixed])

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return the norm of xᴴx - 1."""
        return torch.linalg.matrix_norm(gram_defect(x))

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return the unitary polar factor.

        Raises:
            ValueError: if x is singular.
        """
        return polar(x)

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return uniformly distributed unitary matrices."""
        dtype = self._dtype(dtype)
        size = (*batch, self.n, self.n)
        return qr_factor(torch.randn(*size, generator=generator, dtype=dtype, device=device))

    def _dtype(self, dtype: torch.dtype | None) -> torch.dtype:
        return (torch.get_default_dtype() if dtype is None else dtype).to_complex()


def skew_basis(n: int) -> Tensor:
    """Return E_ij - E_ji for i > j, row by row, in float64."""
    rows, columns = torch.tril_indices(n, n, -1)
    basis = torch.zeros(len(rows), n, n, dtype=torch.float64)
    each = torch.arange(len(rows))
    basis[each, rows, columns] = 1
    return basis - basis.mT


def _finite(x: Tensor) -> Tensor:
    return x.detach().isfinite().all(-1).all(-1)
