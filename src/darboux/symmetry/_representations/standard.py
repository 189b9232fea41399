"""The representations that every group has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from darboux.linear._sizes import affordable
from darboux.structure._arguments import Natural, checked
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Group
from darboux.symmetry._representations.cosets import locate_elements
from darboux.symmetry._representations.decompose import decompose
from darboux.symmetry._representations.representation import Representation

_ROUNDING = 1e-9


@checked
@lru_cache(maxsize=64)
def trivial(group: Group) -> Representation:
    """Return the number 1: what a scalar transforms by.

    Example:
        >>> from darboux.symmetry import SO2
        >>> trivial(SO2()).size
        1
    """
    name = group.irreps(0)[0]
    return Representation(
        group, "trivial", (name,), torch.ones(1, 1, dtype=torch.float64, device="cpu")
    )


@checked
@lru_cache(maxsize=256)
def irreducible(group: Group, name: str) -> Representation:
    """Return an irreducible representation by its name.

    Raises:
        ValueError: if there is none of that name.

    Example:
        >>> from darboux.symmetry import SO2
        >>> irreducible(SO2(), "3").size
        2
    """
    size = len(group.irrep(name, group.generators()[0]))
    return Representation(
        group, f"ψ{name}", (name,), torch.eye(size, dtype=torch.float64, device="cpu")
    )


@checked
@lru_cache(maxsize=64)
def regular(group: Group) -> Representation:
    """Return the regular representation: e_h -> e_{gh}, functions on the group itself.

    Raises:
        TypeError: if the group is not finite.
        ValueError: if it has more than 406 elements, and so more than 2^26 entries.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> regular(Cyclic(3)).matrix(1).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if not isinstance(group, FiniteGroup):
        msg = (
            f"Expected a finite group; got {group.describe()}, whose regular representation has "
            "infinitely many dimensions. Use irreducible representations up to a degree."
        )
        raise TypeError(msg)
    n = group.order
    affordable("regular", "matrices", n**3, "Use irreducible representations, or a subgroup.")
    table = torch.zeros(n, n, n, dtype=torch.float64, device="cpu")
    table.scatter_(1, group.products().reshape(n, 1, n), 1.0)  # (g, gh, h)
    content, basis = decompose(group, [table[g] for g in group.generators()])
    return Representation(group, "regular", content, basis, table)


@checked
def from_matrices(
    group: Group, matrices: Tensor | Sequence[Tensor], *, name: str, degree: Natural | None = None
) -> Representation:
    """Return the representation with given matrices, checked.

    Args:
        group: the group.
        matrices: ρ(g) for all elements of a finite group, (order, n, n), else for the
            generators.
        name: what tables call it.
        degree: for continuous groups, the largest degree that it contains.

    Raises:
        ValueError: if the matrices are not orthogonal, not as many as expected, or no
            homomorphism: ρ(a) ρ(b) != ρ(ab).

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> signs = torch.tensor([[[1.0]], [[-1.0]]])
        >>> from_matrices(Cyclic(2), signs, name="sign").content
        ('1',)
    """
    shapes = [tuple(m.shape) for m in matrices]
    expected = group.order if isinstance(group, FiniteGroup) else len(group.generators())
    square = len(set(shapes)) == 1 and len(shapes[0]) == 2 and len(set(shapes[0])) == 1
    if not square or len(shapes) != expected or any(m.is_complex() for m in matrices):
        whose = "elements" if isinstance(group, FiniteGroup) else "generators"
        msg = (
            f"{name}: expected one real square matrix for each of the {expected} {whose} of "
            f"{group.describe()}; got {len(shapes)} of shapes {set(shapes)}."
        )
        raise ValueError(msg)
    table = torch.stack(list(matrices)).double()
    eye = torch.eye(table.shape[1], dtype=torch.float64, device="cpu")
    off = (table @ table.mT - eye).abs().amax(dim=(1, 2))
    if not float(off.max()) <= _ROUNDING:  # NaN is refused too
        msg = (
            f"{name}: expected orthogonal matrices; got that of element {int(off.argmax())} with "
            f"|ρρᵀ - I| = {float(off.max()):.3g}. Change the basis: every representation of a "
            "compact group is orthogonal in a suitable one."
        )
        raise ValueError(msg)
    if not isinstance(group, FiniteGroup):
        content, basis = decompose(group, list(table), degree=degree)
        return Representation(group, name, content, basis)
    _check_products(group, table, name)
    content, basis = decompose(group, [table[g] for g in group.generators()])
    return Representation(group, name, content, basis, table)


def _check_products(group: FiniteGroup, table: Tensor, name: str) -> None:
    """Refuse matrices that are no homomorphism."""
    for a in group.elements():
        off = (table[a] @ table - table[group.products()[a]]).abs().amax(dim=(1, 2))
        if not float(off.max()) <= _ROUNDING:
            b = int(off.argmax())
            msg = (
                f"{name}: expected a homomorphism of {group.describe()}; got ρ({a}) ρ({b}) != "
                f"ρ({group.compose(a, b)}), off by {float(off.max()):.3g}. List the matrices in "
                "the order of the elements."
            )
            raise ValueError(msg)


@checked
def named(group: Group, name: str | Natural | Representation) -> Representation:
    """Return a representation by "trivial", "regular", or the name of an irreducible one.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if a representation of another group is given, or something else.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> named(Cyclic(4), 1).size
        2
    """
    if isinstance(name, Representation):
        if name.group != group:
            msg = (
                f"Expected a representation of {group.describe()}; got one of "
                f"{name.group.describe()}. Restrict it first, or use one group."
            )
            raise TypeError(msg)
        return name
    if name == "trivial":
        return trivial(group)
    if name == "regular":
        return regular(group)
    return irreducible(group, str(name))


@checked
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
    """Return the smallest degree up to which a continuous group lists all of some names."""
    degree = 0
    while not set(content) <= set(group.irreps(degree)):
        degree += 1
    return degree
