"""The rotations and reflections of space, SO(3) and O(3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.symmetry._groups.group import Element, Group, degree_of
from darboux.symmetry._groups.harmonics import sphere_quadrature, spherical_harmonics
from darboux.symmetry._groups.planar import turn
from darboux.symmetry._groups.polyhedral import Octahedral
from darboux.symmetry._limits import MOST_DEGREE, Degree

_ROUNDING = 1e-9

_DEGREES = {str(k): k for k in range(MOST_DEGREE + 1)}

_WITH_PARITY = {f"{k}{parity}": k for k in range(MOST_DEGREE + 1) for parity in "eo"}


class MatrixGroup(Group):
    """A group of orthogonal matrices; an element is its own action on space, (3, 3), float64."""

    dim = 3

    def compose(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the product of the matrices."""
        return a @ b

    def inverse(self, a: Tensor) -> Tensor:
        """Return the transpose."""
        return a.T.contiguous()

    def action(self, a: Tensor) -> Tensor:
        """Return the matrix, (3, 3)."""
        return a


_EYE = torch.eye(3, dtype=torch.float64, device="cpu")


def _is_orthogonal(a: Element) -> bool:
    """Return whether something is an orthogonal matrix of space in float64."""
    fits = isinstance(a, Tensor) and a.shape == (3, 3) and a.dtype == torch.float64
    return fits and bool(torch.dist(a @ a.T, _EYE) < _ROUNDING)


def _orthogonal(matrix: Tensor, *, what: str) -> Tensor:
    """Return an orthogonal matrix of space in float64, or refuse one that is none."""
    found = torch.as_tensor(matrix, dtype=torch.float64, device="cpu")
    if not _is_orthogonal(found):
        msg = f"Expected {what}; got {found.tolist()}."
        raise ValueError(msg)
    return found


@final
@dataclass(frozen=True, repr=False)
class SO3(MatrixGroup):
    """The rotations of space; an element is its matrix, (3, 3), float64.

    Irreducible representations are called by their degree, "0", "1", "2", ...: ψ_l(R) is how
    spherical harmonics move, Y_l(R x) = ψ_l(R) Y_l(x), (2l + 1, 2l + 1); "0" is the number 1
    and "1" the rotation itself.

    Source: section 5.1.

    Example:
        >>> group = SO3()
        >>> group.irreps(2), group.size("2")
        (('0', '1', '2'), 5)
    """

    def __repr__(self) -> str:
        """Return the name."""
        return "SO(3)"

    def generators(self) -> tuple[Tensor, ...]:
        """Return rotations by 1 about the last and the first axis; their products are dense."""
        one = torch.ones(1, 1, dtype=torch.float64, device="cpu")
        return (torch.block_diag(turn(1.0), one), torch.block_diag(one, turn(1.0)))

    def contains(self, a: Element) -> bool:
        """Return whether it is a rotation of space."""
        return _is_orthogonal(a) and float(torch.linalg.det(a)) > 0

    def locate(self, matrix: Tensor) -> Tensor:
        """Return the matrix, checked."""
        found = _orthogonal(matrix, what="a rotation of space")
        if float(torch.linalg.det(found)) < 0:
            msg = f"Expected a rotation of space; got the reflection {found.tolist()}."
            raise ValueError(msg)
        return found

    def sample(self, count: int, *, seed: int) -> tuple[Tensor, ...]:
        """Return uniformly distributed rotations: those of random unit quaternions."""
        from scipy.spatial.transform import Rotation  # slow to import, and needed here alone

        generator = torch.Generator().manual_seed(seed)
        normal = torch.randn(count, 4, generator=generator, dtype=torch.float64, device="cpu")
        turns = Rotation.from_quat(normal[:, [1, 2, 3, 0]].numpy())  # its real part comes last
        return torch.from_numpy(turns.as_matrix()).unbind(0)

    def grid_elements(self) -> tuple[Tensor, ...]:
        """Return the 24 rotations of the cube."""
        return Octahedral().faithful().unbind(0)

    @checked
    def irreps(self, degree: Degree | None = None) -> tuple[str, ...]:
        """Return the degrees up to `degree`."""
        if degree is None:
            msg = "SO(3) has infinitely many irreducible representations. Give the largest degree."
            raise ValueError(msg)
        return tuple(str(k) for k in range(degree + 1))

    def irrep(self, name: str, a: Tensor) -> Tensor:
        """Return ψ_l(a), (2l + 1, 2l + 1)."""
        degree = degree_of(self, name, _DEGREES)
        if degree == 0:
            return torch.ones(1, 1, dtype=torch.float64, device="cpu")
        return a if degree == 1 else _harmonic_matrix(degree, a)

    def size(self, name: str) -> int:
        """Return 2l + 1."""
        return 2 * degree_of(self, name, _DEGREES) + 1

    def commutant(self, name: str) -> int:
        """Return 1: every irreducible representation is of real type."""
        self.size(name)  # refuses an unknown name
        return 1


@lru_cache(maxsize=32)
def _sampled(degree: int) -> tuple[Tensor, Tensor]:
    """Return points of an exact quadrature, and w Y_l there."""
    points, weights = sphere_quadrature(2 * degree)
    return points, weights[:, None] * spherical_harmonics(degree, points)


def _harmonic_matrix(degree: int, rotation: Tensor) -> Tensor:
    """Return ∫ Y_l(R x) Y_l(x)ᵀ dx, which is ψ_l(R) since the Y_l are orthonormal."""
    points, weighted = _sampled(degree)
    return spherical_harmonics(degree, points @ rotation.T).T @ weighted


@final
@dataclass(frozen=True, repr=False)
class O3(MatrixGroup):
    """The rotations and reflections of space; an element is its matrix, (3, 3), float64.

    Irreducible representations are called by degree and parity, "0e", "0o", "1e", "1o", ...:
    ψ(±R) = ψ_l(R) for the even ones and ±ψ_l(R) for the odd ones, with ψ_l of SO(3) and R a
    rotation. Scalars are "0e", vectors "1o", axial vectors "1e".

    Source: section 5.1.

    Example:
        >>> O3().irreps(1)
        ('0e', '0o', '1e', '1o')
    """

    def __repr__(self) -> str:
        """Return the name."""
        return "O(3)"

    def generators(self) -> tuple[Tensor, ...]:
        """Return two rotations whose products are dense, and -I."""
        return (*SO3().generators(), -torch.eye(3, dtype=torch.float64, device="cpu"))

    def contains(self, a: Element) -> bool:
        """Return whether it is an orthogonal matrix of space."""
        return _is_orthogonal(a)

    def locate(self, matrix: Tensor) -> Tensor:
        """Return the matrix, checked."""
        return _orthogonal(matrix, what="an orthogonal matrix of space")

    def sample(self, count: int, *, seed: int) -> tuple[Tensor, ...]:
        """Return random elements, every second one reversing orientation."""
        turns = SO3().sample(count, seed=seed)
        return tuple(-a if k % 2 else a for k, a in enumerate(turns))

    def grid_elements(self) -> tuple[Tensor, ...]:
        """Return the 48 symmetries of the cube."""
        return Octahedral(reflections=True).faithful().unbind(0)

    @checked
    def irreps(self, degree: Degree | None = None) -> tuple[str, ...]:
        """Return the names up to a degree, even ones first in each."""
        if degree is None:
            msg = "O(3) has infinitely many irreducible representations. Give the largest degree."
            raise ValueError(msg)
        return tuple(f"{k}{parity}" for k in range(degree + 1) for parity in "eo")

    def irrep(self, name: str, a: Tensor) -> Tensor:
        """Return ψ(a), (2l + 1, 2l + 1)."""
        degree = degree_of(self, name, _WITH_PARITY)
        sign = torch.linalg.det(a).sign()
        matrix = SO3().irrep(str(degree), sign * a)
        return sign * matrix if name[-1] == "o" else matrix

    def size(self, name: str) -> int:
        """Return 2l + 1."""
        return 2 * degree_of(self, name, _WITH_PARITY) + 1

    def commutant(self, name: str) -> int:
        """Return 1: every irreducible representation is of real type."""
        self.size(name)  # refuses an unknown name
        return 1
