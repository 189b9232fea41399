"""Groups: their elements, products, actions on space, and irreducible representations."""

from darboux.symmetry.groups.cyclic import Cyclic
from darboux.symmetry.groups.dihedral import Dihedral
from darboux.symmetry.groups.finite import FiniteGroup
from darboux.symmetry.groups.group import Element, Group
from darboux.symmetry.groups.o2 import O2
from darboux.symmetry.groups.so2 import SO2

__all__ = ["O2", "SO2", "Cyclic", "Dihedral", "Element", "FiniteGroup", "Group"]
