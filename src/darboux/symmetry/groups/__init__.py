"""Groups: their elements, products, actions on space, and irreducible representations."""

from darboux.symmetry.groups.cyclic import Cyclic
from darboux.symmetry.groups.dihedral import Dihedral
from darboux.symmetry.groups.finite import FiniteGroup
from darboux.symmetry.groups.group import Element, Group
from darboux.symmetry.groups.harmonics import sphere_quadrature, spherical_harmonics
from darboux.symmetry.groups.icosahedral import Icosahedral
from darboux.symmetry.groups.o2 import O2
from darboux.symmetry.groups.o3 import O3
from darboux.symmetry.groups.octahedral import Octahedral
from darboux.symmetry.groups.permutation_group import PermutationGroup
from darboux.symmetry.groups.permutations import Permutations
from darboux.symmetry.groups.permuting import Permuting
from darboux.symmetry.groups.so2 import SO2
from darboux.symmetry.groups.so3 import SO3
from darboux.symmetry.groups.subgroup import Subgroup

__all__ = [
    "O2",
    "O3",
    "SO2",
    "SO3",
    "Cyclic",
    "Dihedral",
    "Element",
    "FiniteGroup",
    "Group",
    "Icosahedral",
    "Octahedral",
    "PermutationGroup",
    "Permutations",
    "Permuting",
    "Subgroup",
    "sphere_quadrature",
    "spherical_harmonics",
]
