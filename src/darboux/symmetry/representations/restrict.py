"""A representation of a group, as one of a subgroup."""

from __future__ import annotations

import torch

from darboux.symmetry.groups import FiniteGroup, Group
from darboux.symmetry.representations.cosets import locate_elements
from darboux.symmetry.representations.representation import Representation
from darboux.symmetry.representations.standard import from_matrices


def restrict(representation: Representation, subgroup: Group) -> Representation:
    """Return h -> ρ(h) for the elements of a subgroup alone.

    An element of the subgroup is the element of the group that moves points in the same way;
    groups that move none are compared by their faithful matrices.

    Source: section 5.1.2; Serre 1977, Linear Representations of Finite Groups, section 3.3.

    Args:
        representation: ρ.
        subgroup: a finite or continuous group inside that of ρ.

    Raises:
        ValueError: if it is no subgroup.

    Example:
        >>> from darboux.symmetry import SO2, Cyclic, irreducible
        >>> restrict(irreducible(SO2(), "3"), Cyclic(4)).content
        ('1',)
    """
    group = representation.group
    finite = isinstance(subgroup, FiniteGroup)
    own = subgroup.elements() if isinstance(subgroup, FiniteGroup) else subgroup.generators()
    inside = locate_elements(group, subgroup, own)
    matrices = torch.stack([representation.matrix(g) for g in inside])
    # frequencies of a subgroup are at most the degree
    degree = None if finite else max_degree(group, representation.content)
    name = f"{representation.name}|{subgroup.describe()}"
    return from_matrices(subgroup, matrices, name=name, degree=degree)


def max_degree(group: Group, content: tuple[str, ...]) -> int:
    """Return the smallest degree up to which a continuous group lists all of some names.

    Example:
        >>> from darboux.symmetry import SO2
        >>> max_degree(SO2(), ("0", "4", "1"))
        4
    """
    degree = 0
    while not set(content) <= set(group.irreps(degree)):
        degree += 1
    return degree
