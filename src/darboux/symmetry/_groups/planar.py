"""The rotations and reflections of the plane, SO(2) and O(2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.symmetry._groups.group import Element, Group, degree_of, unknown_irrep
from darboux.symmetry._limits import MOST_FREQUENCY, Frequency

_FREQUENCIES = {str(k): k for k in range(MOST_FREQUENCY + 1)}

_MINUS = -torch.ones(1, 1, dtype=torch.float64, device="cpu")


def rotations(steps: Tensor, frequency: int, n: int) -> Tensor:
    """Return rotations by 2π·frequency·steps/n, (len(steps), 2, 2), exact at quarter turns."""
    return torch.stack([_rotation(int(step) * frequency % n, n) for step in steps])


def _rotation(step: int, n: int) -> Tensor:
    """Return the rotation by 2π·step/n, reduced to the first half quadrant."""
    quarters, rest = divmod(4 * step, n)  # 2π step/n = quarters · π/2 + (π/2) rest/n
    angle = math.pi / 2 * rest / n
    cosine, sine = math.cos(angle), math.sin(angle)
    if 2 * rest == n:  # both are equal, in rounding too
        sine = cosine
    for _ in range(quarters % 4):
        cosine, sine = -sine, cosine
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64, device="cpu") + 0.0


def turn(angle: float) -> Tensor:
    """Return the rotation by an angle in radians, exact where it is a quarter turn in rounding."""
    quarters = angle / (math.pi / 2)
    if abs(quarters - round(quarters)) < 1e-12:
        return _rotation(round(quarters) % 4, 4)
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64, device="cpu")


def mirror() -> Tensor:
    """Return the reflection (x, y) -> (x, -y)."""
    return torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64, device="cpu"))


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

    def contains(self, a: Element) -> bool:
        """Return whether it is a finite number."""
        return not isinstance(a, bool) and isinstance(a, Real) and math.isfinite(a)

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
        if math.isnan(angle) or not float((turn(angle) - matrix).abs().max()) <= 1e-9:
            msg = f"Expected a rotation of the plane; got {matrix.tolist()}."
            raise ValueError(msg)
        return angle

    def sample(self, count: int, *, seed: int) -> tuple[float, ...]:
        """Return uniformly distributed angles."""
        generator = torch.Generator().manual_seed(seed)
        angles = (
            torch.rand(count, generator=generator, dtype=torch.float64, device="cpu") * 2 * math.pi
        )
        return tuple(angles.tolist())

    def grid_elements(self) -> tuple[float, ...]:
        """Return the quarter turns."""
        return tuple(k * math.pi / 2 for k in range(4))

    @checked
    def irreps(self, degree: Frequency | None = None) -> tuple[str, ...]:
        """Return the frequencies up to `degree`."""
        return tuple(str(k) for k in range(_finite("SO(2)", degree) + 1))

    def irrep(self, name: str, a: float) -> Tensor:
        """Return the rotation by the frequency times the angle."""
        k = degree_of(self, name, _FREQUENCIES)
        return turn(k * a) if k else torch.ones(1, 1, dtype=torch.float64, device="cpu")

    def commutant(self, name: str) -> int:
        """Return 1 for numbers, else 2."""
        return 1 if self.size(name) == 1 else 2


def _finite(name: str, degree: int | None) -> int:
    """Return the degree, or refuse to list infinitely many representations."""
    if degree is None:
        msg = f"{name} has infinitely many irreducible representations. Give the largest degree."
        raise ValueError(msg)
    return degree


@final
@dataclass(frozen=True, repr=False)
class O2(Group):
    """The rotations and reflections of the plane; an element is (angle, flip).

    (a, True) first maps (x, y) to (x, -y), then rotates by a. Irreducible representations are
    "0+" (the number 1), "0-" (the determinant), and the frequencies "1", "2", ...

    Source: section 5.1.

    Example:
        >>> group = O2()
        >>> group.irreps(2), group.commutant("1")
        (('0+', '0-', '1', '2'), 1)
    """

    dim = 2

    def __repr__(self) -> str:
        """Return the name."""
        return "O(2)"

    def contains(self, a: Element) -> bool:
        """Return whether it is an angle and a boolean."""
        pair = isinstance(a, tuple) and len(a) == 2
        return pair and SO2().contains(a[0]) and isinstance(a[1], bool)

    def generators(self) -> tuple[tuple[float, bool], ...]:
        """Return the rotation by 1, whose powers are dense, and a reflection."""
        return ((1.0, False), (0.0, True))

    def compose(self, a: tuple[float, bool], b: tuple[float, bool]) -> tuple[float, bool]:
        """Return a b; a reflection turns the angle behind it round."""
        angle = a[0] - b[0] if a[1] else a[0] + b[0]
        return (math.remainder(angle, 2 * math.pi), a[1] != b[1])

    def inverse(self, a: tuple[float, bool]) -> tuple[float, bool]:
        """Return the inverse; a reflection is its own."""
        return a if a[1] else (-a[0], False)

    def action(self, a: tuple[float, bool]) -> Tensor:
        """Return the matrix, (2, 2)."""
        return turn(a[0]) @ mirror() if a[1] else turn(a[0])

    def locate(self, matrix: Tensor) -> tuple[float, bool]:
        """Return the element with a given matrix."""
        flip = float(torch.linalg.det(matrix)) < 0
        return (SO2().locate(matrix @ mirror() if flip else matrix), flip)

    def sample(self, count: int, *, seed: int) -> tuple[tuple[float, bool], ...]:
        """Return random elements, every second one a reflection."""
        return tuple((a, k % 2 == 1) for k, a in enumerate(SO2().sample(count, seed=seed)))

    def grid_elements(self) -> tuple[tuple[float, bool], ...]:
        """Return the eight symmetries of the square."""
        return tuple((a, flip) for flip in (False, True) for a in SO2().grid_elements())

    @checked
    def irreps(self, degree: Frequency | None = None) -> tuple[str, ...]:
        """Return the names up to a frequency."""
        return ("0+", "0-", *SO2().irreps(_finite("O(2)", degree))[1:])

    def irrep(self, name: str, a: tuple[float, bool]) -> Tensor:
        """Return ψ(a)."""
        angle, flip = a
        if name in ("0+", "0-"):
            return _MINUS if flip and name == "0-" else -_MINUS
        if name == "0":
            raise unknown_irrep(self, name)
        rotation = turn(degree_of(self, name, _FREQUENCIES) * angle)
        return rotation @ mirror() if flip else rotation

    def commutant(self, name: str) -> int:
        """Return 1: every irreducible representation is of real type."""
        self.size(name)  # refuses an unknown name
        return 1
