"""Rotations of the plane by multiples of 2π/N."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from darboux.symmetry.groups.finite import FiniteGroup
from darboux.symmetry.groups.planar import positive_order, rotations, unknown_irrep


@final
@dataclass(frozen=True, repr=False)
class Cyclic(FiniteGroup):
    """The cyclic group C_N; element k rotates the plane by 2πk/N.

    Irreducible representations are called by their frequency, "0" to "N//2": rotations by
    the frequency times the angle, (cos, -sin; sin, cos); "0", and "N/2" for even N, are
    numbers.

    Source: section 5.1.

    Args:
        n: N >= 1.

    Raises:
        ValueError: if n < 1.

    Example:
        >>> Cyclic(4).irreps(), Cyclic(4).compose(3, 2)
        (('0', '1', '2'), 1)
    """

    n: int

    dim = 2

    def __post_init__(self) -> None:
        positive_order("Cyclic", self.n)

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
    return rotations(torch.arange(n), frequency, n)
