"""Groups: their elements, products, actions on space, and irreducible representations."""

from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Element, Group
from darboux.symmetry._groups.harmonics import sphere_quadrature, spherical_harmonics
from darboux.symmetry._groups.icosahedral import Icosahedral
from darboux.symmetry._groups.octahedral import Octahedral
from darboux.symmetry._groups.permutations import PermutationGroup, Permutations, Permuting
from darboux.symmetry._groups.so2 import O2, SO2
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.symmetry._groups.subgroup import Subgroup

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
