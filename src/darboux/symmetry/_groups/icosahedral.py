"""The symmetries of the icosahedron."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import closure, unknown_irrep
from darboux.symmetry._groups.octahedral import (
    IntegerMatrix,
    even_and_odd,
    integer_product,
    with_inversion,
)

# A rotation is the pair (a, b) of integer matrices in (a + b √5)/4.
_Rotation = tuple[IntegerMatrix, IntegerMatrix]

_ZERO: IntegerMatrix = ((0, 0, 0), (0, 0, 0), (0, 0, 0))

_IDENTITY: _Rotation = (((4, 0, 0), (0, 4, 0), (0, 0, 4)), _ZERO)

_CYCLE: _Rotation = (((0, 0, 4), (4, 0, 0), (0, 4, 0)), _ZERO)

_FIFTH_TURN: _Rotation = (
    ((2, -1, -1), (1, -1, -2), (-1, 2, 1)),
    ((0, -1, 1), (1, 1, 0), (1, 0, 1)),
)

_NAMES = ("A", "T1", "T2", "G", "H")


@final
@dataclass(frozen=True, repr=False)
class Icosahedral(FiniteGroup):
    """The 60 rotations of the icosahedron, or its 120 symmetries.

    The vertices are (0, ±φ, ±1) and what the cycle of the axes makes of them, φ the golden
    ratio. Irreducible representations of the rotations: "A" (the number 1), "T1" (the rotation
    itself), "T2" (T1 with √5 replaced by -√5), "G" (the permutations of the five triples of
    orthogonal twofold axes, without their sum) and "H" (symmetric matrices without trace).
    With reflections each comes twice, as "Ag", ..., "Hg", which -I leaves, and "Au", ...,
    "Hu", which it negates: vectors are "T1u". Element 60 + k is the negative of rotation k.

    Source: section 5.1; Dresselhaus, Dresselhaus and Jorio 2008, Group Theory, table 3.37.

    Args:
        reflections: whether the 60 symmetries that reverse orientation belong to it.

    Example:
        >>> group = Icosahedral()
        >>> [group.size(name) for name in group.irreps()]
        [1, 3, 3, 4, 5]
    """

    reflections: bool = field(default=False, kw_only=True)

    dim = 3

    @property
    def order(self) -> int:
        """60, or 120."""
        return 120 if self.reflections else 60

    def __repr__(self) -> str:
        """Return the symbol of Schoenflies."""
        return "Ih" if self.reflections else "I"

    def generators(self) -> tuple[int, ...]:
        """Return a rotation by 2π/5, the cycle of the axes, and -I."""
        turns = _rotations().index(_FIFTH_TURN), _rotations().index(_CYCLE)
        return (*turns, 60) if self.reflections else turns

    def faithful(self) -> Tensor:
        """Return the matrices, (order, 3, 3)."""
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


def _product(first: _Rotation, second: _Rotation) -> _Rotation:
    """Return (a + b √5)(c + d √5)/16 over 4, in integers."""
    (a, b), (c, d) = first, second
    whole = _combine(integer_product(a, c), 5, integer_product(b, d))
    root = _combine(integer_product(a, d), 1, integer_product(b, c))
    return whole, root


def _combine(first: IntegerMatrix, factor: int, second: IntegerMatrix) -> IntegerMatrix:
    """Return (first + factor · second)/4; rotations leave no remainder."""
    rows = zip(first, second, strict=True)
    return tuple(tuple((x + factor * y) // 4 for x, y in zip(*row, strict=True)) for row in rows)


@lru_cache(maxsize=1)
def _rotations() -> tuple[_Rotation, ...]:
    return closure((_FIFTH_TURN, _CYCLE), _product, _IDENTITY, limit=60)


def _matrices(*, root: float) -> Tensor:
    """Return (a + b · root)/4 of all rotations, (60, 3, 3)."""
    whole, rest = torch.tensor(_rotations(), dtype=torch.float64).unbind(1)
    return (whole + root * rest) / 4


@lru_cache(maxsize=15)
def _table(name: str) -> Tensor:
    if name[-1] in "gu":
        return with_inversion(_table(name[:-1]), parity=name[-1])
    if name == "A":
        return torch.ones(60, 1, 1, dtype=torch.float64)
    if name in ("T1", "T2"):
        return _matrices(root=5**0.5 if name == "T1" else -(5**0.5))
    return _on_triples() if name == "G" else _on_symmetric_matrices()


def _on_symmetric_matrices() -> Tensor:
    """Return M -> R M Rᵀ on symmetric matrices without trace, in an orthonormal basis."""
    x, y, z = torch.eye(3, dtype=torch.float64)
    mixed = [torch.outer(a, b) + torch.outer(b, a) for a, b in ((y, z), (z, x), (x, y))]
    basis = torch.stack([*mixed, torch.diag(2 * z - x - y), torch.diag(x - y)])
    basis = basis / basis.flatten(1).norm(dim=1).reshape(-1, 1, 1)
    turns = _matrices(root=5**0.5)
    return torch.einsum("aij,gik,bkl,gjl->gab", basis, turns, basis, turns).contiguous()


def _on_triples() -> Tensor:
    """Return the permutations of the five triples of axes, on the complement of their sum."""
    turns = _matrices(root=5**0.5)
    # a half turn about the unit vector u is 2uuᵀ - I; orthogonal ones commute
    halves = turns[(turns.diagonal(dim1=1, dim2=2).sum(dim=1) + 1).abs() < 1e-9]
    commute = (halves[:, None] @ halves - halves @ halves[:, None]).abs().amax(dim=(2, 3)) < 1e-9
    triples = commute.double().unique(dim=0)  # (5, 15): which axes belong to which
    images = turns[:, None] @ halves @ turns.mT[:, None]
    moved = (images[:, :, None] - halves).abs().amax(dim=(3, 4)) < 1e-9  # (60, old, new)
    permutations = torch.einsum("tn,gon,so->gts", triples, moved.double(), triples) / 3
    rows = [[1.0] * k + [-float(k)] + [0.0] * (4 - k) for k in range(1, 5)]
    basis = torch.tensor(rows, dtype=torch.float64)
    basis = basis / basis.norm(dim=1, keepdim=True)
    return basis @ permutations @ basis.T
