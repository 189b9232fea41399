"""Representations on functions over the cosets of a subgroup."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from darboux.structure._arguments import checked
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Group
from darboux.symmetry._groups.permutations import Permuting
from darboux.symmetry._representations.cosets import cosets, subgroup_elements
from darboux.symmetry._representations.decompose import decompose
from darboux.symmetry._representations.representation import Representation


@checked
def quotient(group: FiniteGroup, subgroup: Group | Sequence[int]) -> Representation:
    """Return functions on the homogeneous space G/H: e_kH -> e_gkH, a permutation.

    It is induced by the trivial representation of H; H = {e} gives the regular one, H = G the
    trivial one.

    Source: section 5.1.2.

    Args:
        group: G, finite.
        subgroup: H: a group that moves points as a part of G does, or elements of G.

    Raises:
        ValueError: if H is no subgroup.
        TypeError: if one of the two is not finite.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> quotient(Cyclic(6), Cyclic(2)).matrix(1).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    found = cosets(group, subgroup_elements(group, subgroup))
    images = found.coset[group.products()[:, list(found.representatives)]]  # (g, coset)
    count = len(found.representatives)
    table = torch.nn.functional.one_hot(images, count).mT.to(torch.float64).contiguous()
    whose = subgroup.describe() if isinstance(subgroup, Group) else f"{len(subgroup)} elements"
    return _decomposed(group, f"{group.describe()}/{whose}", table)


@checked
def induced(
    group: FiniteGroup, subgroup: Group | Sequence[int], representation: Representation
) -> Representation:
    """Return Ind ρ: how Mackey functions x(gh) = ρ(h⁻¹) x(g) move, [g x](k) = x(g⁻¹k).

    Such a function is known by its values at one representative of each coset gH, the smallest
    element; block (j, i) of the matrix of g is ρ(h) where g r_i = r_j h.

    Source: section 5.1.2.

    Args:
        group: G, finite.
        subgroup: H: the group of ρ, or the elements of G that it consists of, in its order.
        representation: ρ of H, of size n; Ind ρ has size n |G|/|H|.

    Raises:
        ValueError: if H is no subgroup, or not the group of ρ.
        TypeError: if one of the two is not finite.

    Example:
        >>> from darboux.symmetry import Cyclic, irreducible
        >>> induced(Cyclic(6), Cyclic(2), irreducible(Cyclic(2), "1")).content
        ('1', '3')
    """
    members = subgroup_elements(group, subgroup)
    _check_group(group, subgroup, members, representation)
    found = cosets(group, members)
    count, n = len(found.representatives), representation.size
    moved = group.products()[:, list(found.representatives)]  # g r_i
    blocks = representation.matrices()[found.remainder[moved]]  # (g, i, n, n)
    places = torch.nn.functional.one_hot(found.coset[moved], count).to(torch.float64)
    table = torch.einsum("gij,giab->gjaib", places, blocks).reshape(-1, count * n, count * n)
    name = f"Ind {representation.name} of {representation.group.describe()}"
    return _decomposed(group, name, table.contiguous() + 0.0)


@checked
def permutation_representation(group: Permuting) -> Representation:
    """Return the permutations themselves: e_i -> e_a(i) on n channels.

    Args:
        group: a group of permutations of n things.

    Raises:
        TypeError: if the group is another one.

    Example:
        >>> from darboux.symmetry import Permutations
        >>> permutation_representation(Permutations(3)).content
        ('1', '2')
    """
    return _decomposed(group, "defining", group.faithful())


def _check_group(
    group: FiniteGroup,
    subgroup: Group | Sequence[int],
    members: tuple[int, ...],
    representation: Representation,
) -> None:
    """Refuse a representation of something else than the subgroup."""
    own = representation.group
    listed = own == subgroup or (
        not isinstance(subgroup, Group)
        and isinstance(own, FiniteGroup)
        and own.order == len(members)
        and torch.equal(_places(group, members), own.products())
    )
    if not listed:
        whose = subgroup.describe() if isinstance(subgroup, Group) else f"elements {members}"
        msg = (
            f"induced: expected a representation of the subgroup, {whose}; got {representation!r}. "
            "Use restrict, or list the elements in the order of its group."
        )
        raise ValueError(msg)


def _places(group: FiniteGroup, members: tuple[int, ...]) -> torch.Tensor:
    """Return the table of products of a subgroup, by places in the list of its elements."""
    place = torch.full((group.order,), -1, device="cpu")
    place[list(members)] = torch.arange(len(members), device="cpu")
    return place[group.products()[list(members)][:, list(members)]]


def _decomposed(group: FiniteGroup, name: str, table: torch.Tensor) -> Representation:
    content, basis = decompose(group, [table[g] for g in group.generators()])
    return Representation(group, name, content, basis, table)
