"""The symmetries of the cube."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import closure, unknown_irrep

IntegerMatrix = tuple[tuple[int, ...], ...]

_QUARTER_TURN: IntegerMatrix = ((0, -1, 0), (1, 0, 0), (0, 0, 1))  # about the last axis

_CYCLE: IntegerMatrix = ((0, 0, 1), (1, 0, 0), (0, 1, 0))  # of the three axes

_IDENTITY: IntegerMatrix = ((1, 0, 0), (0, 1, 0), (0, 0, 1))

_NAMES = ("A1", "A2", "E", "T1", "T2")


def integer_product(a: IntegerMatrix, b: IntegerMatrix) -> IntegerMatrix:
    """Return the product of two integer matrices, by rows."""
    columns = tuple(zip(*b, strict=True))
    return tuple(tuple(sum(map(int.__mul__, row, column)) for column in columns) for row in a)


def even_and_odd(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the representations that -I leaves ("g") or negates ("u")."""
    return tuple(f"{name}{parity}" for parity in "gu" for name in names)


def with_inversion(table: Tensor, *, parity: str) -> Tensor:
    """Return a table over rotations R continued to -R: by ψ(-R) = ψ(R) or -ψ(R)."""
    return torch.cat([table, table if parity == "g" else -table]) + 0.0  # no negative zeros


@final
@dataclass(frozen=True, repr=False)
class Octahedral(FiniteGroup):
    """The 24 rotations of the cube, or its 48 symmetries: all of Z³ that fix a point.

    Irreducible representations of the rotations: "A1" (the number 1), "A2" (the sign of the
    permutation of the axes), "E" (the quadratic forms 2z² - x² - y² and x² - y²), "T1" (the
    rotation itself) and "T2" = T1 ⊗ A2 (yz, zx and xy). With reflections each comes twice, as
    "A1g", ..., "T2g", which -I leaves, and "A1u", ..., "T2u", which it negates: vectors are
    "T1u". Element 24 + k is the negative of rotation k.

    Source: section 5.1; Dresselhaus, Dresselhaus and Jorio 2008, Group Theory, table 3.33.

    Args:
        reflections: whether the 24 symmetries that reverse orientation belong to it.

    Example:
        >>> Octahedral().irreps(), Octahedral(reflections=True).order
        (('A1', 'A2', 'E', 'T1', 'T2'), 48)
    """

    reflections: bool = field(default=False, kw_only=True)

    dim = 3

    @property
    def order(self) -> int:
        """24, or 48."""
        return 48 if self.reflections else 24

    def __repr__(self) -> str:
        """Return the symbol of Schoenflies."""
        return "Oh" if self.reflections else "O"

    def generators(self) -> tuple[int, ...]:
        """Return a quarter turn about the last axis, the cycle of the axes, and -I."""
        turns = _rotations().index(_QUARTER_TURN), _rotations().index(_CYCLE)
        return (*turns, 24) if self.reflections else turns

    def faithful(self) -> Tensor:
        """Return the signed permutation matrices, (order, 3, 3)."""
        return _table("T1u") if self.reflections else _table("T1")

    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return all names, or the trivial one for degree 0."""
        names = even_and_odd(_NAMES) if self.reflections else _NAMES
        return names[:1] if degree == 0 else names

    def irrep_table(self, name: str) -> Tensor:
        """Return the matrices, (order, d, d)."""
        if name not in self.irreps():
            raise unknown_irrep(self, name)
        return _table(name)


@lru_cache(maxsize=1)
def _rotations() -> tuple[IntegerMatrix, ...]:
    return closure((_QUARTER_TURN, _CYCLE), integer_product, _IDENTITY, limit=24)


@lru_cache(maxsize=15)
def _table(name: str) -> Tensor:
    if name[-1] in "gu":
        return with_inversion(_table(name[:-1]), parity=name[-1])
    matrices = torch.tensor(_rotations(), dtype=torch.float64)
    axes = matrices.abs()  # how the axes are permuted
    signs = torch.linalg.det(axes).round().reshape(-1, 1, 1)
    # the complement of x² + y² + z², on which rotations permute squares
    squares = torch.tensor([[-1.0, -1.0, 2.0], [1.0, -1.0, 0.0]], dtype=torch.float64)
    squares = squares / squares.norm(dim=1, keepdim=True)
    tables = {
        "A1": signs.square(),
        "A2": signs,
        "E": squares @ axes @ squares.T,
        "T1": matrices,
        "T2": signs * matrices + 0.0,
    }
    return tables[name]
