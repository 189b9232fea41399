"""The symmetries of the cube and of the icosahedron."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, final

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import closure, unknown_irrep


@dataclass(frozen=True, repr=False)
class Polyhedral(FiniteGroup):
    """The rotations of a solid, and with `reflections` their negatives in the same order.

    The rotations are the identity, two generators, and what these make; "T1" is the rotation
    itself. With reflections each representation comes twice: ψ(-R) = ψ(R) or -ψ(R).
    """

    reflections: bool = field(default=False, kw_only=True)

    dim = 3
    symbol: ClassVar[str]  # of Schoenflies, for the rotations

    @abstractmethod
    def rotation_tables(self) -> dict[str, Tensor]:
        """Return the representations of the rotations, (rotations, d, d), the trivial one first."""

    @property
    def order(self) -> int:
        """The number of rotations, or twice as many."""
        return len(self.faithful())

    def __repr__(self) -> str:
        """Return the symbol of Schoenflies."""
        return f"{self.symbol}h" if self.reflections else self.symbol

    def generators(self) -> tuple[int, ...]:
        """Return two rotations, and -I."""
        return (1, 2, self.order // 2) if self.reflections else (1, 2)

    def faithful(self) -> Tensor:
        """Return the matrices, (order, 3, 3)."""
        return self.irrep_table("T1u" if self.reflections else "T1")

    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return all names, or the trivial one for degree 0."""
        names = tuple(_tables(self))
        return names[:1] if degree == 0 else names

    def irrep_table(self, name: str) -> Tensor:
        """Return the matrices, (order, d, d)."""
        tables = _tables(self)
        if name not in tables:
            raise unknown_irrep(self, name)
        return tables[name]


@lru_cache(maxsize=4)
def _tables(group: Polyhedral) -> dict[str, Tensor]:
    turns = group.rotation_tables()
    if not group.reflections:
        return turns
    return {  # + 0.0: no negative zeros
        f"{name}{parity}": torch.cat([table, sign * table]) + 0.0
        for parity, sign in (("g", 1), ("u", -1))
        for name, table in turns.items()
    }


_Integers = tuple[tuple[int, ...], ...]

_AXES: _Integers = ((0, 0, 1), (1, 0, 0), (0, 1, 0))  # their cycle


def _product(a: _Integers, b: _Integers) -> _Integers:
    columns = tuple(zip(*b, strict=True))
    return tuple(tuple(sum(map(int.__mul__, row, column)) for column in columns) for row in a)


@final
@checked
@dataclass(frozen=True, repr=False)
class Octahedral(Polyhedral):
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

    symbol = "O"

    def rotation_tables(self) -> dict[str, Tensor]:
        """Return the tables; the generators are a quarter turn and the cycle of the axes."""
        quarter, identity = ((0, -1, 0), (1, 0, 0), (0, 0, 1)), ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        listed = closure((quarter, _AXES), _product, identity, limit=24)
        matrices = torch.tensor(listed, dtype=torch.float64, device="cpu")
        axes = matrices.abs()  # how the axes are permuted
        signs = torch.linalg.det(axes).round().reshape(-1, 1, 1)
        # the complement of x² + y² + z², on which rotations permute squares
        squares = torch.tensor(
            [[-1.0, -1.0, 2.0], [1.0, -1.0, 0.0]], dtype=torch.float64, device="cpu"
        )
        squares = squares / squares.norm(dim=1, keepdim=True)
        return {
            "A1": signs.square(),
            "A2": signs,
            "E": squares @ axes @ squares.T,
            "T1": matrices,
            "T2": signs * matrices + 0.0,
        }


@final
@checked
@dataclass(frozen=True, repr=False)
class Icosahedral(Polyhedral):
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

    symbol = "I"

    def rotation_tables(self) -> dict[str, Tensor]:
        """Return the tables; the generators are a turn by 2π/5 and the cycle of the axes."""
        listed = closure((_FIFTH_TURN, _CYCLE), _root_product, _IDENTITY, limit=60)
        whole, rest = torch.tensor(listed, dtype=torch.float64, device="cpu").unbind(1)
        matrices, conjugate = ((whole + root * rest) / 4 for root in (5**0.5, -(5**0.5)))
        return {
            "A": torch.ones(60, 1, 1, dtype=torch.float64, device="cpu"),
            "T1": matrices,
            "T2": conjugate,
            "G": _on_triples(matrices),
            "H": _on_symmetric_matrices(matrices),
        }


# A rotation of the icosahedron is the pair (a, b) of integer matrices in (a + b √5)/4.
_Rotation = tuple[_Integers, _Integers]

_ZERO: _Integers = ((0, 0, 0), (0, 0, 0), (0, 0, 0))

_IDENTITY: _Rotation = (((4, 0, 0), (0, 4, 0), (0, 0, 4)), _ZERO)

_CYCLE: _Rotation = (((0, 0, 4), (4, 0, 0), (0, 4, 0)), _ZERO)

_FIFTH_TURN: _Rotation = (
    ((2, -1, -1), (1, -1, -2), (-1, 2, 1)),
    ((0, -1, 1), (1, 1, 0), (1, 0, 1)),
)


def _root_product(first: _Rotation, second: _Rotation) -> _Rotation:
    """Return (a + b √5)(c + d √5)/16 over 4, in integers."""
    (a, b), (c, d) = first, second
    whole = _combine(_product(a, c), 5, _product(b, d))
    root = _combine(_product(a, d), 1, _product(b, c))
    return whole, root


def _combine(first: _Integers, factor: int, second: _Integers) -> _Integers:
    """Return (first + factor · second)/4; rotations leave no remainder."""
    rows = zip(first, second, strict=True)
    return tuple(tuple((x + factor * y) // 4 for x, y in zip(*row, strict=True)) for row in rows)


def _on_symmetric_matrices(turns: Tensor) -> Tensor:
    """Return M -> R M Rᵀ on symmetric matrices without trace, in an orthonormal basis."""
    x, y, z = torch.eye(3, dtype=torch.float64, device="cpu")
    mixed = [torch.outer(a, b) + torch.outer(b, a) for a, b in ((y, z), (z, x), (x, y))]
    basis = torch.stack([*mixed, torch.diag(2 * z - x - y), torch.diag(x - y)])
    basis = basis / basis.flatten(1).norm(dim=1).reshape(-1, 1, 1)
    return torch.einsum("aij,gik,bkl,gjl->gab", basis, turns, basis, turns).contiguous()


def _on_triples(turns: Tensor) -> Tensor:
    """Return the permutations of the five triples of axes, on the complement of their sum."""
    # a half turn about the unit vector u is 2uuᵀ - I; orthogonal ones commute
    halves = turns[(turns.diagonal(dim1=1, dim2=2).sum(dim=1) + 1).abs() < 1e-9]
    commute = (halves[:, None] @ halves - halves @ halves[:, None]).abs().amax(dim=(2, 3)) < 1e-9
    triples = commute.double().unique(dim=0)  # (5, 15): which axes belong to which
    images = turns[:, None] @ halves @ turns.mT[:, None]
    moved = (images[:, :, None] - halves).abs().amax(dim=(3, 4)) < 1e-9  # (60, old, new)
    permutations = torch.einsum("tn,gon,so->gts", triples, moved.double(), triples) / 3
    rows = [[1.0] * k + [-float(k)] + [0.0] * (4 - k) for k in range(1, 5)]
    basis = torch.tensor(rows, dtype=torch.float64, device="cpu")
    basis = basis / basis.norm(dim=1, keepdim=True)
    return basis @ permutations @ basis.T
