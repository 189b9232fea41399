"""All rotations of the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.symmetry.groups.group import Group
from darboux.symmetry.groups.planar import turn, unknown_irrep


@final
@dataclass(frozen=True, repr=False)
class SO2(Group):
    """The rotations of the plane; an element is its angle in radians.

    Irreducible representations are called by their frequency, "0", "1", "2", ...: rotations by
    the frequency times the angle; "0" is the number 1.

    Source: section 5.1.

    Example:
        >>> group = SO2()
        >>> group.irreps(2), group.commutant("1")
        (('0', '1', '2'), 2)
    """

    dim = 2

    def __repr__(self) -> str:
        """Return the name."""
        return "SO(2)"

    def generators(self) -> tuple[float, ...]:
        """Return the rotation by 1, whose powers are dense since π is irrational."""
        return (1.0,)

    def compose(self, a: float, b: float) -> float:
        """Return the sum of the angles."""
        return math.remainder(a + b, 2 * math.pi)

    def inverse(self, a: float) -> float:
        """Return the angle of the other direction."""
        return -a

    def action(self, a: float) -> Tensor:
        """Return the rotation, (2, 2)."""
        return turn(a)

    def locate(self, matrix: Tensor) -> float:
        """Return the angle of a rotation."""
        angle = math.atan2(float(matrix[1, 0]), float(matrix[0, 0]))
        if float((turn(angle) - matrix).abs().max()) > 1e-9:
            msg = f"Expected a rotation of the plane; got {matrix.tolist()}."
            raise ValueError(msg)
        return angle

    def sample(self, count: int, *, seed: int) -> tuple[float, ...]:
        """Return uniformly distributed angles."""
        generator = torch.Generator().manual_seed(seed)
        angles = torch.rand(count, generator=generator, dtype=torch.float64) * 2 * math.pi
        return tuple(angles.tolist())

    def grid_elements(self) -> tuple[float, ...]:
        """Return the quarter turns."""
        return tuple(k * math.pi / 2 for k in range(4))

    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return the frequencies up to `degree`."""
        return tuple(str(k) for k in range(_finite("SO(2)", degree) + 1))

    def irrep(self, name: str, a: float) -> Tensor:
        """Return the rotation by the frequency times the angle."""
        if not (isinstance(name, str) and name.isdecimal()):
            raise unknown_irrep(self, name)
        k = int(name)
        return turn(k * a) if k else torch.ones(1, 1, dtype=torch.float64)

    def commutant(self, name: str) -> int:
        """Return 1 for numbers, else 2."""
        return 1 if self.size(name) == 1 else 2


def _finite(name: str, degree: int | None) -> int:
    """Return the degree, or refuse to list infinitely many representations."""
    if degree is None:
        msg = f"{name} has infinitely many irreducible representations. Give the largest degree."
        raise ValueError(msg)
    return degree
