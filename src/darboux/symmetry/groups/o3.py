"""All rotations and reflections of space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.symmetry.groups.matrix_group import MatrixGroup, orthogonal
from darboux.symmetry.groups.octahedral import Octahedral
from darboux.symmetry.groups.planar import unknown_irrep
from darboux.symmetry.groups.so3 import SO3


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
        return (*SO3().generators(), -torch.eye(3, dtype=torch.float64))

    def locate(self, matrix: Tensor) -> Tensor:
        """Return the matrix, checked."""
        return orthogonal(matrix, what="an orthogonal matrix of space")

    def sample(self, count: int, *, seed: int) -> tuple[Tensor, ...]:
        """Return random elements, every second one reversing orientation."""
        turns = SO3().sample(count, seed=seed)
        return tuple(-a if k % 2 else a for k, a in enumerate(turns))

    def grid_elements(self) -> tuple[Tensor, ...]:
        """Return the 48 symmetries of the cube."""
        return Octahedral(reflections=True).faithful().unbind(0)

    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return the names up to a degree, even ones first in each."""
        if degree is None:
            msg = "O(3) has infinitely many irreducible representations. Give the largest degree."
            raise ValueError(msg)
        return tuple(f"{k}{parity}" for k in range(degree + 1) for parity in "eo")

    def irrep(self, name: str, a: Tensor) -> Tensor:
        """Return ψ(a), (2l + 1, 2l + 1)."""
        if not (isinstance(name, str) and name[:-1].isdecimal() and name[-1] in "eo"):
            raise unknown_irrep(self, name)
        sign = torch.linalg.det(a).sign()
        matrix = SO3().irrep(name[:-1], sign * a)
        return sign * matrix if name[-1] == "o" else matrix

    def commutant(self, name: str) -> int:
        """Return 1: every irreducible representation is of real type."""
        self.irrep(name, self.generators()[0])  # refuses an unknown name
        return 1
