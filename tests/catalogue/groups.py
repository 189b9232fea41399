"""Named groups: name -> factory. Every exported class of groups has an entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.imaging._filters import Mirror
from darboux.symmetry import (
    O2,
    O3,
    SO2,
    SO3,
    Cyclic,
    Dihedral,
    FiniteGroup,
    Group,
    Icosahedral,
    Octahedral,
    PermutationGroup,
    Permutations,
    Subgroup,
)


@final
@dataclass(frozen=True, repr=False)
class Boxes(FiniteGroup):
    """A finite group of one's own: the half turns about the axes, which keep a box."""

    dim = 3

    @property
    def order(self) -> int:
        """4."""
        return 4

    def __repr__(self) -> str:
        """Return the symbol of Schoenflies."""
        return "V"

    def generators(self) -> tuple[int, ...]:
        """Return two half turns."""
        return (1, 2)

    def faithful(self) -> Tensor:
        """Return the matrices, (4, 3, 3)."""
        signs = [[1.0, 1, 1], [1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1]]
        return torch.diag_embed(torch.tensor(signs, dtype=torch.float64))


@final
@dataclass(frozen=True, repr=False)
class Swap(FiniteGroup):
    """A finite group of one's own that moves channels and no pixels, with named irreps."""

    dim = 0

    @property
    def order(self) -> int:
        """2."""
        return 2

    def __repr__(self) -> str:
        """Return the name."""
        return "Swap"

    def generators(self) -> tuple[int, ...]:
        """Return the exchange."""
        return (1,)

    def faithful(self) -> Tensor:
        """Return the matrices, (2, 2, 2)."""
        eye = torch.eye(2, dtype=torch.float64)
        return torch.stack([eye, eye.flip(0)])

    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return the names."""
        return ("even", "odd")[: 1 if degree == 0 else 2]

    def irrep_table(self, name: str) -> Tensor:
        """Return the numbers, (2, 1, 1)."""
        if name not in self.irreps():
            msg = f"{self}: expected an irreducible representation among 'even', 'odd'."
            raise ValueError(msg)
        sign = 1.0 if name == "even" else -1.0
        return torch.tensor([1.0, sign], dtype=torch.float64).reshape(2, 1, 1)


# The unit quaternions ±1, ±i, ±j, ±k: their faithful representation is of quaternionic type.
QUATERNIONS = PermutationGroup(((2, 3, 1, 0, 6, 7, 5, 4), (4, 5, 7, 6, 1, 0, 2, 3)))

CASES: dict[str, Callable[[], Group]] = {
    **{f"C{n}": lambda n=n: Cyclic(n) for n in (1, 2, 3, 4, 5, 8, 12, 120)},
    **{f"D{n}": lambda n=n: Dihedral(n) for n in (1, 2, 3, 4, 5, 6, 60)},
    "SO2": SO2,
    "O2": O2,
    "SO3": SO3,
    "O3": O3,
    "octahedral": Octahedral,
    "octahedral-reflections": lambda: Octahedral(reflections=True),
    "icosahedral": Icosahedral,
    "icosahedral-reflections": lambda: Icosahedral(reflections=True),
    **{f"S{n}": lambda n=n: Permutations(n) for n in (1, 2, 3, 4, 5)},
    "quaternions": lambda: QUATERNIONS,
    "even-permutations": lambda: PermutationGroup(((1, 2, 0, 3), (1, 0, 3, 2))),
    # order 21, with irreps of complex type
    "affine": lambda: PermutationGroup(((1, 2, 3, 4, 5, 6, 0), (0, 2, 4, 6, 1, 3, 5))),
    "C5xC4": lambda: PermutationGroup(((1, 2, 3, 4, 0, 5, 6, 7, 8), (0, 1, 2, 3, 4, 6, 7, 8, 5))),
    "subgroup-trivial": lambda: Subgroup(Octahedral(), ()),
    "subgroup-quarter-turns": lambda: Subgroup(Octahedral(), (1,)),
    "subgroup-with-inversion": lambda: Subgroup(Octahedral(reflections=True), (2, 24)),
    "subgroup-icosahedral": lambda: Subgroup(Icosahedral(), (1,)),
    "subgroup-quaternions": lambda: Subgroup(QUATERNIONS, (1, 2)),
    "line-reflection": Mirror,
    "own": Boxes,
    "own-named": Swap,
}
