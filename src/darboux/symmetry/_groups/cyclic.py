"""Rotations of the plane by multiples of 2π/N, and reflections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import unknown_irrep
from darboux.symmetry._groups.planar import mirror, rotations
from darboux.symmetry._limits import Rotations


@final
@checked
@dataclass(frozen=True, repr=False)
class Cyclic(FiniteGroup):
    """The cyclic group C_N; element k rotates the plane by 2πk/N.

    Irreducible representations are called by their frequency, "0" to "N//2": rotations by
    the frequency times the angle, (cos, -sin; sin, cos); "0", and "N/2" for even N, are
    numbers.

    Source: section 5.1.

    Args:
        n: N, from 1 to 512.

    Raises:
        TypeError: if n is no integer.
        ValueError: if n is out of range.

    Example:
        >>> Cyclic(4).irreps(), Cyclic(4).compose(3, 2)
        (('0', '1', '2'), 1)
    """

    n: Rotations

    dim = 2

    @property
    def order(self) -> int:
        """N."""
        return self.n

    def __repr__(self) -> str:
        """Return C and the order."""
        return f"C{self.n}"

    def generators(self) -> tuple[int, ...]:
        """Return the smallest rotation."""
        return (1 % self.n,)

    def faithful(self) -> Tensor:
        """Return the rotations, (N, 2, 2)."""
        return _rotations(self.n, 1)

    def products(self) -> Tensor:
        """Return the table of products, (N, N): angles add."""
        return _products(self.n, 1)

    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return the frequencies."""
        largest = self.n // 2 if degree is None else min(degree, self.n // 2)
        return tuple(str(frequency) for frequency in range(largest + 1))

    def irrep_table(self, name: str) -> Tensor:
        """Return rotations by the frequency times the angles."""
        if name not in self.irreps():
            raise unknown_irrep(self, name)
        frequency = int(name)
        table = _rotations(self.n, frequency)
        return table[:, :1, :1] if 2 * frequency in (0, self.n) else table


@lru_cache(maxsize=256)
def _rotations(n: int, frequency: int) -> Tensor:
    return rotations(torch.arange(n, device="cpu"), frequency, n)


@final
@checked
@dataclass(frozen=True, repr=False)
class Dihedral(FiniteGroup):
    """The dihedral group D_N of 2N elements: r^k for k < N, then r^k s.

    r rotates the plane by 2π/N and s maps (x, y) to (x, -y). Irreducible representations are
    called by frequency and, where the dimension is one, the sign of s: "0+", "0-", "1", ...,
    and "N/2+", "N/2-" for even N.

    Source: section 5.1.

    Args:
        n: N, from 1 to 512.

    Raises:
        TypeError: if n is no integer.
        ValueError: if n is out of range.

    Example:
        >>> Dihedral(4).irreps()
        ('0+', '0-', '1', '2+', '2-')
    """

    n: Rotations

    dim = 2

    @property
    def order(self) -> int:
        """2N."""
        return 2 * self.n

    def __repr__(self) -> str:
        """Return D and the number of rotations."""
        return f"D{self.n}"

    def generators(self) -> tuple[int, ...]:
        """Return r and s."""
        return (1, self.n) if self.n > 1 else (self.n,)

    def faithful(self) -> Tensor:
        """Return rotations, then reflections, (2N, 2, 2)."""
        return _table(self.n, 1)

    def products(self) -> Tensor:
        """Return the table of products, (2N, 2N); s turns the angle behind it round."""
        return _products(self.n, 2)

    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return the names, by frequency."""
        largest = self.n // 2 if degree is None else min(degree, self.n // 2)
        names: list[str] = []
        for k in range(largest + 1):
            names += [f"{k}+", f"{k}-"] if 2 * k in (0, self.n) else [str(k)]
        return tuple(names)

    def irrep_table(self, name: str) -> Tensor:
        """Return the matrices, (2N, d, d)."""
        if name not in self.irreps():
            raise unknown_irrep(self, name)
        table = _table(self.n, int(name.rstrip("+-")))
        if name[-1] not in "+-":
            return table
        # s is diag(1, -1): its first entry is the sign +1, its second one -1
        k = 0 if name[-1] == "+" else 1
        return table[:, k : k + 1, k : k + 1]


@lru_cache(maxsize=64)
def _products(n: int, sides: int) -> Tensor:
    flips, turns = torch.cartesian_prod(
        torch.arange(sides, device="cpu"), torch.arange(n, device="cpu")
    ).unbind(dim=1)
    angles = turns[:, None] + (1 - 2 * flips)[:, None] * turns
    return angles % n + n * (flips[:, None] ^ flips)


@lru_cache(maxsize=256)
def _table(n: int, frequency: int) -> Tensor:
    turns = rotations(torch.arange(n, device="cpu"), frequency, n)
    return torch.cat([turns, turns @ mirror()])
