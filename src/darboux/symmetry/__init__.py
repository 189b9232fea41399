"""Symmetry."""

from darboux.symmetry.feature import Feature, move
from darboux.symmetry.groups import O2, SO2, Cyclic, Dihedral, Element, FiniteGroup, Group
from darboux.symmetry.layers import EquivariantConv, EquivariantDense, EquivariantMap, FeatureLift
from darboux.symmetry.representations import (
    Representation,
    decompose,
    from_matrices,
    intertwiners,
    irreducible,
    named,
    null_space,
    regular,
    trivial,
)

__all__ = [
    "EquivariantConv", "EquivariantDense", "EquivariantMap", "FeatureLift",
    "O2", "SO2", "Cyclic", "Dihedral", "Element", "Feature", "FiniteGroup", "Group",
    "Representation", "decompose", "from_matrices", "intertwiners", "irreducible", "move",
    "named", "null_space", "regular", "trivial",
]
