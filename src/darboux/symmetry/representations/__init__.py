"""Orthogonal representations, what commutes with them, and how they decompose."""

from darboux.symmetry.representations.decompose import decompose
from darboux.symmetry.representations.intertwiners import intertwiners, null_space
from darboux.symmetry.representations.representation import Representation
from darboux.symmetry.representations.standard import (
    from_matrices,
    irreducible,
    named,
    regular,
    trivial,
)

__all__ = [
    "Representation",
    "decompose",
    "from_matrices",
    "intertwiners",
    "irreducible",
    "named",
    "null_space",
    "regular",
    "trivial",
]
