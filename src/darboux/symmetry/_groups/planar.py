"""What groups of the plane share: exact rotations, and their refusals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from darboux.symmetry._groups.group import Group


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
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64) + 0.0


def turn(angle: float) -> Tensor:
    """Return the rotation by an angle in radians, exact where it is a quarter turn in rounding."""
    quarters = angle / (math.pi / 2)
    if abs(quarters - round(quarters)) < 1e-12:
        return _rotation(round(quarters) % 4, 4)
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)


def mirror() -> Tensor:
    """Return the reflection (x, y) -> (x, -y)."""
    return torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))


def positive_order(name: str, n: object) -> None:
    """Refuse a number of rotations that is no positive integer."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        msg = f"{name}: expected a number of rotations n >= 1; got {n!r}. Use, for instance, 4."
        raise ValueError(msg)


def unknown_irrep(group: Group, name: object) -> ValueError:
    """Return the error about a name that no irreducible representation has."""
    known = ", ".join(repr(known) for known in group.irreps(3))
    more = ", ..." if group.order is None or len(group.irreps(4)) > len(group.irreps(3)) else ""
    msg = (
        f"{group.describe()}: expected an irreducible representation among {known}{more}; got "
        f"{name!r}."
    )
    return ValueError(msg)
