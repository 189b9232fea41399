"""Sums and products of representations."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from darboux.linear._sizes import affordable
from darboux.structure._arguments import checked
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Group
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.symmetry._representations.clebsch_gordan import clebsch_gordan
from darboux.symmetry._representations.decompose import decompose
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.standard import max_degree

_LARGEST = 2**24  # numbers in a table of matrices; beyond it they are computed when needed


@checked
def direct_sum(*representations: Representation) -> Representation:
    """Return ρ₁ ⊕ ... ⊕ ρ_m: block diagonal matrices.

    Source: section 5.1.2.

    Args:
        representations: at least one, all of one group.

    Raises:
        ValueError: if there is none.
        TypeError: if the groups differ.

    Example:
        >>> from darboux.symmetry import Cyclic, irreducible, regular
        >>> direct_sum(regular(Cyclic(4)), irreducible(Cyclic(4), "1")).size
        6
    """
    if not representations:
        msg = "direct_sum: expected at least one representation; got none."
        raise ValueError(msg)
    group = _common(*representations)
    content = tuple(name for each in representations for name in each.content)
    basis = torch.block_diag(*(each.basis for each in representations))
    table = None
    if isinstance(group, FiniteGroup) and any(each.table is not None for each in representations):
        blocks = ([each.matrix(g) for each in representations] for g in group.elements())
        table = torch.stack([torch.block_diag(*matrices) for matrices in blocks])
    name = " ⊕ ".join(each.name for each in representations)
    return Representation(group, name, content, basis, table)


@checked
def tensor_product(first: Representation, second: Representation) -> Representation:
    """Return ρ₁ ⊗ ρ₂, decomposed: x ⊗ y -> ρ₁(g) x ⊗ ρ₂(g) y.

    Entry i n₂ + j of a vector is that of x_i y_j. Products of irreducible parts are decomposed
    one by one, and kept.

    Source: section 5.1.3; Serre 1977, Linear Representations of Finite Groups, section 1.5.

    Args:
        first: ρ₁, of size n₁.
        second: ρ₂, of size n₂.

    Raises:
        TypeError: if the groups differ.
        ValueError: if the matrices would have more than 2^26 entries.

    Example:
        >>> from darboux.symmetry import SO2, irreducible
        >>> tensor_product(irreducible(SO2(), "1"), irreducible(SO2(), "2")).content
        ('1', '3')
    """
    group = _common(first, second)
    entries = (first.size * second.size) ** 2
    affordable("tensor_product", "matrices", entries, "Use smaller representations.")
    content: list[str] = []
    columns: list[Tensor] = []
    for left, a in first.parts():
        for right, b in second.parts():
            names, basis = product_of_irreps(group, left, right)
            content += names
            columns.append(torch.kron(a.contiguous(), b.contiguous()) @ basis)
    name = f"{_grouped(first.name)} ⊗ {_grouped(second.name)}"
    table = _table(first, second)
    return Representation(group, name, tuple(content), torch.cat(columns, dim=1), table)


@lru_cache(maxsize=256)
def product_of_irreps(group: Group, first: str, second: str) -> tuple[tuple[str, ...], Tensor]:
    """Return (content, Q) of ψ₁ ⊗ ψ₂: the coefficients of Clebsch and Gordan."""
    # Serre 1977, Linear Representations of Finite Groups, section 1.5.
    if isinstance(group, (SO3, O3)):
        return _in_space(group, first, second)
    matrices = [
        torch.kron(group.irrep(first, g).contiguous(), group.irrep(second, g).contiguous())
        for g in group.generators()
    ]
    if isinstance(group, FiniteGroup):
        return decompose(group, matrices)
    # degrees of a product add
    degree = max_degree(group, (first,)) + max_degree(group, (second,))
    return decompose(group, matrices, degree=degree)


def _in_space(group: SO3 | O3, first: str, second: str) -> tuple[tuple[str, ...], Tensor]:
    """Return (content, Q) of a product in space: degrees l₁ - l₂ to l₁ + l₂, parities multiply."""
    (a, b), parity = ((group.size(name) - 1) // 2 for name in (first, second)), ""
    if isinstance(group, O3):
        parity = "e" if first[-1] == second[-1] else "o"
    degrees = range(abs(a - b), a + b + 1)
    content = tuple(f"{degree}{parity}" for degree in degrees)
    return content, torch.cat([clebsch_gordan(a, b, degree) for degree in degrees], dim=1)


def _common(*representations: Representation) -> Group:
    """Return the group of all."""
    group = representations[0].group
    for other in representations[1:]:
        if other.group != group:
            msg = (
                f"Expected representations of one group; got {group.describe()} and "
                f"{other.group.describe()}. Use restrict for a common subgroup."
            )
            raise TypeError(msg)
    return group


def _table(first: Representation, second: Representation) -> Tensor | None:
    """Return the products of tables, where both are known and not too large together."""
    if first.table is None or second.table is None:
        return None
    size = first.size * second.size
    if len(first.table) * size**2 > _LARGEST:
        return None
    return torch.einsum("gij,gkl->gikjl", first.table, second.table).reshape(-1, size, size)


def _grouped(name: str) -> str:
    """Return a name in brackets where it is a sum."""
    return f"({name})" if "⊕" in name else name
